// Values as people read them. All of it is text: what a lead holds is never taken for HTML.
import type { Column, Lead, PortalLeadStatus } from "./operations";

/** A value of a lead; `href` where it can be followed. */
export interface Shown {
  text: string;
  href?: string;
}

/** A value by the type of its field; undefined when there is none. */
export function shown(value: unknown, type?: string): Shown | undefined {
  if (value === null || value === undefined || value === "") return undefined;
  if (typeof value === "boolean") return { text: value ? "Yes" : "No" };
  if (typeof value === "object") return { text: JSON.stringify(value, undefined, 2) };
  const text = String(value);
  switch (type) {
    case "EMAIL":
      return { text, href: `mailto:${encodeURIComponent(text).replaceAll("%40", "@")}` };
    case "PHONE":
      return { text: phone(text), href: `tel:${text.replaceAll(/[^+\d]/g, "")}` };
    case "URL":
      return { text, href: link(text) };
    case "DATE":
      return { text: day(text) };
    case "DATETIME":
      return { text: moment(text) };
    case "NUMBER":
    case "INTEGER":
      return {
        text: typeof value === "number" ? value.toLocaleString(undefined, { maximumFractionDigits: 10 }) : text,
      };
    default:
      return { text };
  }
}

/** Addresses of web pages only: `javascript:` and the like are no links. */
function link(text: string): string | undefined {
  try {
    const { protocol, href } = new URL(text);
    return protocol === "https:" || protocol === "http:" ? href : undefined;
  } catch {
    return undefined;
  }
}

function phone(text: string): string {
  const american = text.match(/^\+1(\d{3})(\d{3})(\d{4})$/);
  return american ? `+1 ${american[1]} ${american[2]} ${american[3]}` : text;
}

function day(text: string): string {
  const date = new Date(`${text}T00:00:00`);
  return Number.isNaN(date.getTime()) ? text : date.toLocaleDateString(undefined, { dateStyle: "medium" });
}

/** A moment with its date. */
export function moment(text: string): string {
  const date = new Date(text);
  return Number.isNaN(date.getTime())
    ? text
    : date.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}

const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto", style: "short" });

/** How long ago: minutes for an hour, the time of the same day, then the date. */
export function ago(text: string, now: Date): string {
  const date = new Date(text);
  const minutes = Math.round((date.getTime() - now.getTime()) / 60_000);
  if (minutes > -1) return "just now";
  if (minutes > -60) return relative.format(minutes, "minute");
  if (date.toDateString() === now.toDateString()) return date.toLocaleTimeString(undefined, { timeStyle: "short" });
  const sameYear = date.getFullYear() === now.getFullYear();
  return date.toLocaleDateString(undefined, { day: "numeric", month: "short", year: sameYear ? undefined : "numeric" });
}

/** A price in its currency; the amount as it is where the currency is unknown. */
export function money({ amount, currency }: { amount: string; currency: string }): string {
  const number = Number(amount);
  try {
    const digits = number % 1 === 0 ? 0 : 2;
    return number.toLocaleString(undefined, { style: "currency", currency, minimumFractionDigits: digits });
  } catch {
    return `${amount} ${currency}`;
  }
}

const STATUS: Record<PortalLeadStatus, string> = {
  PENDING_REVIEW: "To review",
  ACCEPTED: "Accepted",
  REJECTED: "Rejected",
  RETURN_REQUESTED: "Return asked",
  RETURNED: "Returned",
};

/** What a status is called; one that a newer server has is shown as it is. */
export function statusName(status: PortalLeadStatus): string {
  return STATUS[status] ?? status;
}

/** The chip that says where a lead stands: its class, and its text. */
export function chip({ status, erasedAt }: Lead): { kind: string; text: string } {
  if (erasedAt && status === "PENDING_REVIEW") return { kind: "erased", text: "Erased" };
  return { kind: status.toLowerCase().replaceAll("_", "-"), text: statusName(status) };
}

/** Minutes as people say them. */
export function duration(minutes: number | null): string {
  if (minutes === null) return "–";
  if (minutes < 1) return "< 1 min";
  if (minutes < 90) return `${Math.round(minutes)} min`;
  if (minutes < 48 * 60) return `${Math.round(minutes / 60)} h`;
  return `${Math.round(minutes / 1440)} days`;
}

/** The label of a field: what the account calls it, or its name. */
export function labelOf(name: string, columns: readonly Column[]): string {
  return columns.find((column) => column.name === name)?.label ?? name;
}

/** What tells leads apart at a glance comes first, what is for later last. */
function weight({ type }: Column): number {
  if (type === "CHOICE") return 0;
  return type === "EMAIL" || type === "PHONE" ? 2 : 1;
}

/** What a row says of a lead beside its title: the first values that are short and not in the title. */
export function summary(lead: Lead, columns: readonly Column[]): string {
  if (lead.erasedAt) return "The sender has erased this lead";
  const known = columns.toSorted((one, other) => weight(one) - weight(other));
  const texts = known
    .map(({ name, type }) => ({ value: lead.fields[name], type }))
    .filter(({ type }) => type !== "JSON" && type !== "BOOLEAN")
    .map(({ value, type }) => shown(value, type)?.text ?? "")
    .filter((text) => text !== "" && text.length <= 60 && !lead.title.includes(text));
  return texts.slice(0, 4).join(" · ");
}

/** One or many. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString()} ${count === 1 ? one : many}`;
}
