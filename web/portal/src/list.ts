// The list of leads as a value: what belongs into it, and in which order.
import type { Lead, PortalLeadFilter, PortalLeadStatus } from "./operations";

/** The tabs over the list. */
export type Tab = "all" | "pending" | "accepted" | "rejected" | "returns";

/** Which days are shown. */
export type Days = "any" | "today" | "week" | "month" | "custom";

/** What the list is narrowed to. `from` and `to` are days as `<input type="date">` has them, both included. */
export interface Narrowing {
  tab: Tab;
  search: string;
  days: Days;
  from: string;
  to: string;
}

export const EVERYTHING: Narrowing = { tab: "all", search: "", days: "any", from: "", to: "" };

const OF_TAB: Record<Tab, PortalLeadStatus[] | undefined> = {
  all: undefined,
  pending: ["PENDING_REVIEW"],
  accepted: ["ACCEPTED"],
  rejected: ["REJECTED"],
  returns: ["RETURN_REQUESTED", "RETURNED"],
};

const EARLIEST = "1970-01-01T00:00:00.000Z";
const LATEST = "9999-12-31T00:00:00.000Z";

/** Midnight at the beginning of the day that is so many days after that of `now`, on this device's clock. */
export function midnight(now: Date, days = 0): Date {
  return new Date(now.getFullYear(), now.getMonth(), now.getDate() + days);
}

/** The beginning of a day, such as 2026-11-22, or undefined for what is none. */
function dayOf(text: string): Date | undefined {
  const [year, month, day] = text.split("-").map(Number);
  return year && month && day ? new Date(year, month - 1, day) : undefined;
}

/** The span of time that the days make; undefined when they restrict nothing. */
export function span({ days, from, to }: Narrowing, now: Date): { from: string; to: string } | undefined {
  const since = (past: number) => ({ from: midnight(now, -past).toISOString(), to: LATEST });
  switch (days) {
    case "any":
      return undefined;
    case "today":
      return since(0);
    case "week":
      return since(6);
    case "month":
      return since(29);
    case "custom": {
      const first = dayOf(from);
      const last = dayOf(to);
      if (!first && !last) return undefined;
      const until = last && midnight(last, 1).toISOString();
      return { from: first?.toISOString() ?? EARLIEST, to: until ?? LATEST };
    }
  }
}

/** Whether the days end before they begin, which no lead can lie between. */
export function isImpossible(narrowing: Narrowing, now: Date): boolean {
  const asked = span(narrowing, now);
  return asked !== undefined && asked.from >= asked.to;
}

/** The filter that the server is asked with. */
export function filterOf(narrowing: Narrowing, now: Date): PortalLeadFilter {
  const search = narrowing.search.trim();
  return { status: OF_TAB[narrowing.tab], search: search || undefined, deliveredIn: span(narrowing, now) };
}

/**
 * Whether a lead that has just come or changed belongs into the list; undefined where only the server knows, which reads
 * names and phone numbers in any spelling.
 */
export function belongs(lead: Lead, narrowing: Narrowing, now: Date): boolean | undefined {
  const statuses = OF_TAB[narrowing.tab];
  if (statuses && !statuses.includes(lead.status)) return false;
  const asked = span(narrowing, now);
  const at = new Date(lead.deliveredAt).toISOString();
  if (asked && (at < asked.from || at >= asked.to)) return false;
  return narrowing.search.trim() ? undefined : true;
}

/** Whether a lead waits for its review; of one that the sender has erased there is nothing to say any more. */
export function awaitsReview({ status, erasedAt }: Lead): boolean {
  return status === "PENDING_REVIEW" && !erasedAt;
}

/** Two lists in one, newest first, each lead once; of two states of a lead that of `newer` counts. */
export function merged(older: readonly Lead[], newer: readonly Lead[]): Lead[] {
  const byId = new Map([...older, ...newer].map((lead) => [lead.id, lead]));
  // Identifiers sort by creation time, as the server's pages do.
  return [...byId.values()].sort((one, other) => (one.id < other.id ? 1 : one.id > other.id ? -1 : 0));
}

/** Parts of at most so many. */
export function parts<T>(all: readonly T[], size: number): T[][] {
  const count = Math.ceil(all.length / size);
  return Array.from({ length: count }, (_, part) => all.slice(part * size, (part + 1) * size));
}
