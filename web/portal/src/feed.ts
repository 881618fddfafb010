// What the main screen shows, and everything that changes it.
import { explain, Refused, sentence } from "./api";
import { Live, type LeadEvent, type LiveState } from "./live";
import {
  awaitsReview,
  belongs,
  EVERYTHING,
  filterOf,
  isImpossible,
  merged,
  midnight,
  type Narrowing,
  parts,
} from "./list";
import * as operations from "./operations";
import type { Column, Lead, ReviewPortalLeadsInput } from "./operations";
import { request } from "./session";
import { Soon } from "./soon";

/** What can be said of leads. */
export type Verdict = "accept" | "reject" | "return";

export type Stats = Awaited<ReturnType<typeof readStats>>;

/** The span of the figures, in days up to today. */
export type Span = 1 | 7 | 30;

/** All that is shown; each change makes a new one. */
export interface View {
  state: "loading" | "ready" | "failed";
  error: string;
  live: LiveState;
  columns: readonly Column[];
  narrowing: Narrowing;
  leads: readonly Lead[];
  /** Where the next page begins; null when there is none. */
  older: string | null;
  loadingOlder: boolean;
  /** Those that came while the page was open. */
  fresh: ReadonlySet<string>;
  selected: ReadonlySet<string>;
  /** Those about which the server is being told. */
  busy: ReadonlySet<string>;
  stats?: Stats;
  span: Span;
  /** What to say aloud. */
  announcement: string;
}

const FIRST: View = {
  state: "loading",
  error: "",
  live: "connecting",
  columns: [],
  narrowing: EVERYTHING,
  leads: [],
  older: null,
  loadingOlder: false,
  fresh: new Set(),
  selected: new Set(),
  busy: new Set(),
  span: 7,
  announcement: "",
};

const MUTATION = { accept: operations.Accept, reject: operations.Reject, return: operations.Return };
const SAID = { accept: "accepted", reject: "rejected", return: "reported for a return" };
/** As many leads as one mutation takes. */
const AT_ONCE = 100;
/** Changes come in bursts: so long they are gathered before they are spoken of, in milliseconds. */
const GATHER = 700;
/** The same for drawing the list. */
const BREATH = 25;

async function readStats(days: Span) {
  const now = new Date();
  const range = { from: midnight(now, 1 - days).toISOString(), to: midnight(now, 2).toISOString() };
  return (await request(operations.Stats, { range })).portal.stats;
}

async function readPage(narrowing: Narrowing, after?: string) {
  const filter = filterOf(narrowing, new Date());
  const { nodes, pageInfo } = (await request(operations.Leads, { filter, after })).portal.leads;
  return { leads: nodes, older: pageInfo.hasNextPage ? pageInfo.endCursor : null };
}

export class Feed {
  view = FIRST;
  private live?: Live;
  private closed = false;
  /** Counts what was asked for, so that an answer to a question that is no longer of interest is dropped. */
  private question = 0;
  /** Leads that events have told of while a page was on its way: the page may be older. */
  private told = new Map<string, Lead>();
  private waiting: LeadEvent[] = [];
  private arrivals: Lead[] = [];
  /** Draws what has come: after a loss of the connection much comes at once. */
  private readonly drawing = new Soon(() => this.take(), BREATH);
  /** Says what has come. */
  private readonly saying = new Soon(() => this.sayArrivals(), GATHER);
  /** Reads the figures again. */
  private readonly measuring = new Soon(() => void this.measure(this.view.span), GATHER);
  /** Asks the server which of the newest leads belong here, and for the names of new fields. */
  private readonly looking = new Soon(() => void this.look(this.question), GATHER);

  constructor(private readonly changed: (view: View) => void) {}

  private set(part: Partial<View>): void {
    if (this.closed) return;
    this.view = { ...this.view, ...part };
    this.changed(this.view);
  }

  /** Reads everything, and follows what happens from before that on. */
  async open(): Promise<void> {
    this.live?.stop();
    this.set({ state: "loading", error: "", live: "connecting" });
    const question = ++this.question;
    try {
      const { cursor, columns } = (await request(operations.Start, {})).portal;
      const { narrowing, span } = this.view;
      const [page, stats] = await Promise.all([readPage(narrowing), readStats(span)]);
      if (question !== this.question || this.closed) return;
      this.set({ state: "ready", columns, ...page, stats });
      this.follow(cursor);
    } catch (error) {
      if (question === this.question) this.set({ state: "failed", error: explain(error), live: "stopped" });
    }
  }

  close(): void {
    this.closed = true;
    this.live?.stop();
    [this.drawing, this.saying, this.measuring, this.looking].forEach((soon) => soon.cancel());
  }

  private follow(cursor: string): void {
    this.live = new Live(cursor, {
      onEvent: (event) => this.apply(event),
      onState: (live) => this.set({ live }),
      onLost: () => void this.open(),
    });
    this.live.start();
  }

  private apply(event: LeadEvent): void {
    this.waiting.push(event);
    this.drawing.ask();
  }

  private take(): void {
    const events = this.waiting.splice(0);
    const leads = new Map(events.map(({ lead }) => [lead.id, lead]));
    for (const [id, lead] of leads) this.told.set(id, lead);
    this.put([...leads.values()]);
    const arrived = events.filter(({ kind }) => kind === "DELIVERED").map(({ lead }) => lead);
    if (arrived.length > 0) this.arrived(arrived);
    const known = new Set(this.view.columns.map(({ name }) => name));
    const names = new Set([...leads.values()].flatMap(({ fields }) => Object.keys(fields)));
    if ([...names].some((name) => !known.has(name))) this.looking.ask();
    this.measuring.ask();
  }

  /** Takes new states of leads into the list, and out of it what no longer belongs there. */
  private put(leads: readonly Lead[]): void {
    const { narrowing, selected } = this.view;
    const now = new Date();
    const shownNow = new Set(this.view.leads.map(({ id }) => id));
    const verdicts = leads.map((lead) => ({ lead, belongs: belongs(lead, narrowing, now) }));
    const staying = verdicts.filter(({ lead, belongs }) => belongs ?? shownNow.has(lead.id));
    if (verdicts.some(({ lead, belongs }) => belongs === undefined && !shownNow.has(lead.id))) this.looking.ask();
    const gone = new Set(verdicts.filter(({ belongs }) => belongs === false).map(({ lead }) => lead.id));
    const all = merged(
      this.view.leads,
      staying.map(({ lead }) => lead),
    );
    const left = all.filter(({ id }) => !gone.has(id));
    const pending = new Set(left.filter(awaitsReview).map(({ id }) => id));
    this.set({ leads: left, selected: new Set([...selected].filter((id) => pending.has(id))) });
  }

  private arrived(leads: readonly Lead[]): void {
    this.set({ fresh: new Set([...this.view.fresh, ...leads.map(({ id }) => id)]) });
    this.arrivals.push(...leads);
    this.saying.ask();
  }

  private sayArrivals(): void {
    const [first, ...others] = this.arrivals.splice(0);
    this.announce(others.length === 0 ? `New lead: ${first?.title}` : `${others.length + 1} new leads`);
  }

  /** What is announced twice has to differ to be read twice. */
  private announce(text: string): void {
    this.set({ announcement: this.view.announcement === text ? `${text}\u00a0` : text });
  }

  /** Shows the figures of so many days. */
  async measure(span: Span): Promise<void> {
    this.set({ span });
    const stats = await readStats(span).catch(() => undefined);
    if (stats && this.view.span === span) this.set({ stats });
  }

  private async look(question: number): Promise<void> {
    const [page, more] = await Promise.all([
      readPage(this.view.narrowing).catch(() => undefined),
      request(operations.Columns, {}).catch(() => undefined),
    ]);
    if (more) this.set({ columns: more.portal.columns });
    if (page && question === this.question) this.set({ leads: merged(page.leads, this.view.leads) });
  }

  /** Narrows the list. */
  async narrow(part: Partial<Narrowing>): Promise<void> {
    const narrowing = { ...this.view.narrowing, ...part };
    this.set({ narrowing, selected: new Set(), state: "loading", error: "" });
    const question = ++this.question;
    if (isImpossible(narrowing, new Date())) return this.set({ state: "ready", leads: [], older: null });
    this.told.clear();
    try {
      const page = await readPage(narrowing);
      if (question !== this.question) return;
      this.set({ state: "ready", ...page });
      this.put([...this.told.values()]);
      this.announce(`${page.leads.length}${page.older ? " or more" : ""} leads shown`);
    } catch (error) {
      if (question === this.question) this.set({ state: "failed", error: explain(error) });
    }
  }

  /** Adds the next page. */
  async more(): Promise<void> {
    const { older, narrowing, loadingOlder } = this.view;
    if (!older || loadingOlder) return;
    this.set({ loadingOlder: true, error: "" });
    const question = this.question;
    this.told.clear();
    try {
      const page = await readPage(narrowing, older);
      if (question !== this.question) return this.set({ loadingOlder: false });
      this.set({ leads: merged(page.leads, this.view.leads), older: page.older, loadingOlder: false });
      this.put([...this.told.values()]);
      this.announce(`${page.leads.length} older leads loaded`);
    } catch (error) {
      this.set({ loadingOlder: false, error: explain(error) });
    }
  }

  /** One lead, from the list or from the server; null if there is none such. */
  async find(id: string): Promise<Lead | null> {
    const here = this.view.leads.find((lead) => lead.id === id);
    return here ?? (await request(operations.OneLead, { id })).portal.lead;
  }

  select(id: string, on: boolean): void {
    const selected = new Set(this.view.selected);
    if (on) selected.add(id);
    else selected.delete(id);
    this.set({ selected });
  }

  /** Selects all that are shown and wait for their review, or none. */
  selectAll(on: boolean): void {
    const waiting = this.view.leads.filter(awaitsReview).map(({ id }) => id);
    this.set({ selected: new Set(on ? waiting : []) });
  }

  /** Tells the server what is thought of leads; answers the leads as they are then, or throws a text to show. */
  async review(verdict: Verdict, ids: readonly string[], reason?: string): Promise<Lead[]> {
    this.set({ busy: new Set([...this.view.busy, ...ids]) });
    const changed: Lead[] = [];
    try {
      for (const some of parts(ids, AT_ONCE)) changed.push(...(await this.tell(verdict, { ids: some, reason })));
      this.announce(`${changed.length === 1 ? changed[0]?.title : `${changed.length} leads`} ${SAID[verdict]}`);
      return changed;
    } finally {
      this.set({ busy: new Set([...this.view.busy].filter((id) => !ids.includes(id))) });
      this.measuring.ask();
    }
  }

  private async tell(verdict: Verdict, input: ReviewPortalLeadsInput): Promise<Lead[]> {
    const { leads, userErrors } = (await request(MUTATION[verdict], { input })).answer;
    const wrong = new Set(userErrors.map(({ message }) => sentence(message)));
    if (wrong.size > 0) throw new Refused("RULE", [...wrong].join(" "));
    this.put(leads);
    return leads;
  }
}
