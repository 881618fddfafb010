// The leads one below the other, and what is done with several at once.
import { useRef, useState } from "preact/hooks";
import { explain } from "./api";
import { Status } from "./detail";
import type { Feed } from "./feed";
import { ago, counted, money, moment, summary } from "./format";
import { awaitsReview, EVERYTHING } from "./list";
import type { Lead } from "./operations";
import { Alert, Icon } from "./parts";
import type { May } from "./portal";
import { Reason } from "./verdict";

interface ListProps {
  feed: Feed;
  may: May;
  accountName: string;
  open: (id: string) => void;
}

export function List({ feed, may, accountName, open }: ListProps) {
  const { view } = feed;
  const [wrong, setWrong] = useState("");
  const [rejecting, reject] = useState<readonly string[]>();
  const section = useRef<HTMLElement>(null);
  const reviews = may("REVIEW");
  const selected = [...view.selected];
  /** Leads may leave the list by it: the focus goes to the one that took their place, or to the list. */
  const act = async (ids: readonly string[], work: () => Promise<unknown>) => {
    setWrong("");
    const next = nextOf(view.leads, ids);
    try {
      await work();
      requestAnimationFrame(() => settle(section.current, next));
    } catch (error) {
      setWrong(explain(error));
    }
  };
  const accept = (ids: readonly string[]) => void act(ids, () => feed.review("accept", ids));
  const waiting = view.leads.filter(awaitsReview).length;
  return (
    <section id="leads" tabIndex={-1} ref={section} aria-label="Leads" aria-busy={view.state === "loading"}>
      <Alert>{wrong}</Alert>
      {reviews && waiting > 0 ? (
        <label class="check all">
          <input
            type="checkbox"
            checked={selected.length > 0 && selected.length === waiting}
            indeterminate={selected.length > 0 && selected.length < waiting}
            onChange={(event) => feed.selectAll(event.currentTarget.checked)}
          />
          Select all that wait for a review
        </label>
      ) : null}
      {view.leads.length > 0 ? (
        <ul class={`leads ${view.state}`}>
          {view.leads.map((lead) => (
            <Row
              key={lead.id}
              lead={lead}
              feed={feed}
              reviews={reviews}
              open={open}
              accept={() => accept([lead.id])}
              reject={() => reject([lead.id])}
            />
          ))}
        </ul>
      ) : null}
      <Below feed={feed} accountName={accountName} />
      {selected.length > 0 ? (
        <div class="bulk" role="region" aria-label="Selected leads">
          <strong>{counted(selected.length, "lead")} selected</strong>
          <span class="grow" />
          <button type="button" class="primary" onClick={() => accept(selected)}>
            <Icon name="check" /> Accept
          </button>
          <button type="button" onClick={() => reject(selected)}>
            <Icon name="close" /> Reject…
          </button>
          <button type="button" class="quiet" onClick={() => feed.selectAll(false)}>
            Clear
          </button>
        </div>
      ) : null}
      {rejecting ? (
        <Reason
          feed={feed}
          verdict="reject"
          ids={rejecting}
          title={view.leads.find(({ id }) => id === rejecting[0])?.title}
          accountName={accountName}
          close={(done) => {
            const next = nextOf(view.leads, rejecting);
            reject(undefined);
            if (done) requestAnimationFrame(() => settle(section.current, next));
          }}
        />
      ) : null}
    </section>
  );
}

/** The lead behind those that are dealt with, else the one before them. */
function nextOf(leads: readonly Lead[], ids: readonly string[]): string | undefined {
  const last = leads.findLastIndex(({ id }) => ids.includes(id));
  const behind = leads.slice(last + 1).find(({ id }) => !ids.includes(id));
  return behind?.id ?? leads.findLast(({ id }) => !ids.includes(id))?.id;
}

/** Puts the focus where work goes on, if it was lost. */
function settle(section: HTMLElement | null, next?: string): void {
  if (document.activeElement && document.activeElement !== document.body) return;
  const row = next ? section?.querySelector<HTMLElement>(`[data-lead="${CSS.escape(next)}"] .title`) : undefined;
  (row ?? section)?.focus();
}

interface RowProps {
  lead: Lead;
  feed: Feed;
  reviews: boolean;
  open: (id: string) => void;
  accept: () => void;
  reject: () => void;
}

function Row({ lead, feed, reviews, open, accept, reject }: RowProps) {
  const { view } = feed;
  const busy = view.busy.has(lead.id);
  const actable = reviews && awaitsReview(lead);
  return (
    <li data-lead={lead.id} class={view.fresh.has(lead.id) ? "fresh" : undefined} aria-busy={busy}>
      {actable ? (
        <label class="pick">
          <span class="hidden">Select {lead.title}</span>
          <input
            type="checkbox"
            checked={view.selected.has(lead.id)}
            onChange={(event) => feed.select(lead.id, event.currentTarget.checked)}
          />
        </label>
      ) : (
        <span class="pick" />
      )}
      <div class="what">
        <button type="button" class="title" onClick={() => open(lead.id)}>
          {lead.title}
        </button>
        {lead.test ? <span class="chip test">Test</span> : null}
        <p class="hint">{summary(lead, view.columns)}</p>
      </div>
      <span class="price">{lead.price ? money(lead.price) : ""}</span>
      <time dateTime={lead.deliveredAt} title={moment(lead.deliveredAt)}>
        {ago(lead.deliveredAt, new Date())}
      </time>
      <Status lead={lead} />
      <span class="actions">
        {actable ? (
          <>
            <button type="button" class="quiet" aria-disabled={busy} onClick={() => (busy ? undefined : accept())}>
              <Icon name="check" /> Accept<span class="hidden"> {lead.title}</span>
            </button>
            <button type="button" class="quiet" onClick={reject}>
              <Icon name="close" /> Reject<span class="hidden"> {lead.title}</span>
            </button>
          </>
        ) : null}
      </span>
    </li>
  );
}

/** What stands under the last lead, or in place of the first. */
function Below({ feed, accountName }: { feed: Feed; accountName: string }) {
  const { view } = feed;
  if (view.state === "loading") return <p role="status">Loading leads…</p>;
  if (view.state === "failed") {
    return (
      <div class="empty" role="alert">
        <h2>The leads cannot be shown</h2>
        <p>{view.error}</p>
        <button type="button" class="primary" onClick={() => void feed.open()}>
          Try again
        </button>
      </div>
    );
  }
  if (view.leads.length === 0) return <Nothing feed={feed} accountName={accountName} />;
  return (
    <>
      <Alert>{view.error}</Alert>
      {view.older ? (
        <p class="row center">
          <button type="button" aria-disabled={view.loadingOlder} onClick={() => void feed.more()}>
            {view.loadingOlder ? <span class="spinner" aria-hidden="true" /> : null}
            Load older leads
          </button>
        </p>
      ) : (
        <p class="hint center">These are all.</p>
      )}
    </>
  );
}

function Nothing({ feed, accountName }: { feed: Feed; accountName: string }) {
  const { narrowing } = feed.view;
  const isNarrowed = narrowing.search !== "" || narrowing.days !== "any" || narrowing.tab !== "all";
  if (!isNarrowed) {
    return (
      <div class="empty">
        <Icon name="inbox" />
        <h2>No leads yet</h2>
        <p>Leave this page open: leads from {accountName} appear here the moment they come in.</p>
      </div>
    );
  }
  return (
    <div class="empty">
      <Icon name="search" />
      <h2>{narrowing.search ? "No lead fits the search" : "No leads here"}</h2>
      {narrowing.search ? (
        <p>The search takes a whole email address, phone number or full name, in any spelling.</p>
      ) : (
        <p>Leads that fit appear here the moment they come in.</p>
      )}
      <button type="button" onClick={() => void feed.narrow(EVERYTHING)}>
        Show all leads
      </button>
    </div>
  );
}
