// One lead with all that is shared of it.
import { useEffect, useRef, useState } from "preact/hooks";
import { explain } from "./api";
import type { Feed } from "./feed";
import { chip, labelOf, moment, money, shown, statusName } from "./format";
import { awaitsReview } from "./list";
import type { Column, Lead } from "./operations";
import { Alert, Dialog, Icon } from "./parts";
import type { May } from "./portal";
import { Reason } from "./verdict";

interface DetailProps {
  id: string;
  feed: Feed;
  may: May;
  accountName: string;
  close: () => void;
}

export function Detail({ id, feed, may, accountName, close }: DetailProps) {
  const [found, setFound] = useState<Lead | null>();
  const [wrong, setWrong] = useState("");
  const [asking, ask] = useState<"reject" | "return">();
  const buttons = useRef<HTMLParagraphElement>(null);
  useEffect(() => {
    feed.find(id).then(setFound, (error: unknown) => setWrong(explain(error)));
  }, [id, feed.view.state]);
  // The list's lead is newer: events keep it up to date.
  const lead = feed.view.leads.find((lead) => lead.id === id) ?? found;
  const busy = feed.view.busy.has(id);
  /** The pressed button may be gone: the focus goes to what is there instead. */
  const refocus = () => {
    requestAnimationFrame(() => buttons.current?.closest("dialog")?.querySelector("h2")?.focus());
  };
  const accept = async () => {
    if (busy) return;
    setWrong("");
    try {
      setFound((await feed.review("accept", [id]))[0]);
      refocus();
    } catch (error) {
      setWrong(explain(error));
    }
  };
  const answered = async (done: boolean) => {
    ask(undefined);
    if (!done) return;
    // Rejected leads leave the list of those to review, so this one is read again.
    await feed.find(id).then(setFound, () => undefined);
    refocus();
  };
  return (
    <Dialog title={lead?.title ?? "Lead"} kind="sheet" close={close}>
      <Alert>{wrong}</Alert>
      {lead ? <Facts lead={lead} columns={feed.view.columns} /> : null}
      {lead === null ? <p>There is no such lead. It may have been removed.</p> : null}
      {lead === undefined && !wrong ? <p role="status">Loading…</p> : null}
      <p class="row foot" ref={buttons}>
        {lead && awaitsReview(lead) && may("REVIEW") ? (
          <>
            <button type="button" class="primary" aria-disabled={busy} onClick={() => void accept()}>
              <Icon name="check" /> Accept
            </button>
            <button type="button" onClick={() => ask("reject")}>
              <Icon name="close" /> Reject…
            </button>
          </>
        ) : null}
        {lead?.status === "ACCEPTED" && may("RETURN") ? (
          <button type="button" onClick={() => ask("return")}>
            <Icon name="back" /> Ask for a return…
          </button>
        ) : null}
      </p>
      {asking && lead ? (
        <Reason
          feed={feed}
          verdict={asking}
          ids={[id]}
          title={lead.title}
          accountName={accountName}
          close={(done) => void answered(done)}
        />
      ) : null}
    </Dialog>
  );
}

function Facts({ lead, columns }: { lead: Lead; columns: readonly Column[] }) {
  const known = columns.filter(({ name }) => name in lead.fields).map(({ name }) => name);
  const others = Object.keys(lead.fields).filter((name) => !known.includes(name));
  const fields = [...known, ...others]
    .map((name) => ({ name, value: shown(lead.fields[name], columns.find((column) => column.name === name)?.type) }))
    .filter(({ value }) => value !== undefined);
  return (
    <>
      <p class="row">
        <Status lead={lead} />
        {lead.test ? <span class="chip test">Test</span> : null}
        <span class="hint">{moment(lead.deliveredAt)}</span>
        <span class="grow" />
        {lead.price ? <strong class="price">{money(lead.price)}</strong> : null}
      </p>
      {lead.review ? <Said lead={lead} /> : null}
      {lead.erasedAt ? <Erased at={lead.erasedAt} /> : null}
      <dl class="fields">
        {fields.map(({ name, value }) => (
          <div key={name}>
            <dt>{labelOf(name, columns)}</dt>
            <dd>
              {value?.href ? (
                <a
                  href={value.href}
                  rel="noopener noreferrer"
                  target={value.href.startsWith("http") ? "_blank" : undefined}
                >
                  {value.text}
                </a>
              ) : (
                value?.text
              )}
            </dd>
          </div>
        ))}
      </dl>
      {fields.length === 0 && !lead.erasedAt ? <p class="hint">Nothing of this lead is shared with you.</p> : null}
    </>
  );
}

function Said({ lead }: { lead: Lead }) {
  const { by, at, reason } = lead.review ?? {};
  return (
    <div class="said">
      <p class="hint">
        {statusName(lead.status)}
        {by ? ` by ${by}` : ""}
        {at ? `, ${moment(at)}` : ""}
      </p>
      {reason ? <p>“{reason}”</p> : null}
    </div>
  );
}

function Erased({ at }: { at: string }) {
  return (
    <p class="notice" role="status">
      The sender has erased this lead: erase your copies. ({moment(at)})
    </p>
  );
}

export function Status({ lead }: { lead: Lead }) {
  const { kind, text } = chip(lead);
  return <span class={`chip ${kind}`}>{text}</span>;
}
