// The main screen: who is here, how the connection stands, the figures, and the list.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { Account } from "./account";
import { explain } from "./api";
import { Detail } from "./detail";
import { Feed, type Span, type Stats } from "./feed";
import { duration } from "./format";
import { List } from "./list-view";
import type { LiveState } from "./live";
import * as operations from "./operations";
import type { Person, PortalPermission } from "./operations";
import { Icon, Mark } from "./parts";
import { request } from "./session";
import { Toolbar } from "./toolbar";

/** What is known of where we are. */
export interface Place {
  partnerName: string;
  accountName: string;
  user: Person;
}

/** Whether somebody may do something. */
export type May = (permission: PortalPermission) => boolean;

export function Portal({ leave }: { leave: () => void }) {
  const [place, setPlace] = useState<Place>();
  const [wrong, setWrong] = useState("");
  const [tries, setTries] = useState(0);
  useEffect(() => {
    setWrong("");
    request(operations.Welcome, {}).then(
      ({ portal }) => setPlace(portal),
      (error: unknown) => setWrong(explain(error)),
    );
  }, [tries]);
  if (place) return <Inside place={place} leave={leave} rename={(user) => setPlace({ ...place, user })} />;
  return (
    <main class="door">
      {wrong ? (
        <div class="card" role="alert">
          <h1>Your leads cannot be shown</h1>
          <p>{wrong}</p>
          <p class="row">
            <button type="button" class="primary" onClick={() => setTries(tries + 1)}>
              Try again
            </button>
            <button type="button" onClick={leave}>
              Log out
            </button>
          </p>
        </div>
      ) : (
        <p role="status">
          <span class="spinner" aria-hidden="true" /> Opening your leads…
        </p>
      )}
    </main>
  );
}

interface InsideProps {
  place: Place;
  leave: () => void;
  rename: (user: Person) => void;
}

function Inside({ place, leave, rename }: InsideProps) {
  const may: May = (permission) => place.user.permissions.includes(permission);
  const [account, showAccount] = useState(false);
  const sees = may("VIEW_LEADS");
  return (
    <>
      <a class="skip" href="#leads">
        Skip to the leads
      </a>
      {sees ? (
        <Board place={place} may={may} leave={leave} openAccount={() => showAccount(true)} />
      ) : (
        <>
          <Header place={place} leave={leave} openAccount={() => showAccount(true)} />
          <main class="empty" id="leads" tabIndex={-1}>
            <Icon name="inbox" />
            <h1>You have no access to the leads</h1>
            <p>Ask {place.accountName} to let you see them.</p>
          </main>
        </>
      )}
      {account ? <Account place={place} may={may} rename={rename} close={() => showAccount(false)} /> : null}
    </>
  );
}

interface HeaderProps {
  place: Place;
  leave: () => void;
  openAccount: () => void;
  live?: LiveState;
  again?: () => void;
}

const LIVE: Record<LiveState, string> = {
  connecting: "Connecting…",
  live: "Live",
  reconnecting: "Reconnecting…",
  offline: "Offline",
  stopped: "Not connected",
};

function Header({ place, leave, openAccount, live, again }: HeaderProps) {
  return (
    <header class="top">
      <Mark />
      <p class="where">
        <strong>{place.partnerName}</strong>
        <span>Leads from {place.accountName}</span>
      </p>
      <span class="grow" />
      {live ? (
        <p
          class={`live ${live === "live" ? "on" : live}`}
          role="status"
          title="New leads appear by themselves while this says Live"
        >
          <span class="dot" aria-hidden="true" />
          <span class="hidden">Connection: </span>
          {LIVE[live]}
        </p>
      ) : null}
      {live === "stopped" ? (
        <button type="button" onClick={again}>
          Connect again
        </button>
      ) : null}
      <button type="button" class="quiet" onClick={openAccount}>
        <Icon name="person" />
        <span class="wide">Account</span>
        <span class="narrow hidden">Account</span>
      </button>
      <button type="button" class="quiet" onClick={leave}>
        <Icon name="leave" />
        <span class="wide">Log out</span>
        <span class="narrow hidden">Log out</span>
      </button>
    </header>
  );
}

/** The lead that the address names after `#lead/`. */
function opened(): string | undefined {
  return location.hash.match(/^#lead\/(\w+)$/)?.[1];
}

function useOpened(): [string | undefined, (id: string) => void, () => void] {
  const [id, setId] = useState(opened);
  useEffect(() => {
    const follow = () => {
      if (!opened()) pushed.current = false;
      setId(opened());
    };
    addEventListener("hashchange", follow);
    return () => removeEventListener("hashchange", follow);
  }, []);
  const pushed = useRef(false);
  const open = (id: string) => {
    pushed.current = true;
    location.hash = `lead/${id}`;
  };
  /** As the button for "back" does, where the list is what lies behind. */
  const close = () => {
    if (pushed.current) return history.back();
    history.replaceState(null, "", location.pathname + location.search);
    setId(undefined);
  };
  return [id, open, close];
}

interface BoardProps {
  place: Place;
  may: May;
  leave: () => void;
  openAccount: () => void;
}

function Board({ place, may, leave, openAccount }: BoardProps) {
  const [, redraw] = useState({});
  const feed = useMemo(() => new Feed(() => redraw({})), []);
  const [shown, open, close] = useOpened();
  const { view } = feed;
  useEffect(() => {
    void feed.open();
    // Times such as "5 min ago" age.
    const minute = setInterval(() => redraw({}), 60_000);
    return () => {
      clearInterval(minute);
      feed.close();
    };
  }, []);
  useUnseen(view.fresh.size, place.accountName);
  return (
    <>
      <Header place={place} leave={leave} openAccount={openAccount} live={view.live} again={() => void feed.open()} />
      <main>
        <h1 class="hidden">Leads from {place.accountName}</h1>
        {view.live === "offline" || view.live === "reconnecting" ? (
          <p class="notice">
            {view.live === "offline" ? "You are offline." : "The connection is lost; it is being made again."} What
            comes meanwhile is shown as soon as the connection is back.
          </p>
        ) : null}
        <Figures stats={view.stats} span={view.span} change={(span) => void feed.measure(span)} />
        <Toolbar feed={feed} exports={may("EXPORT")} />
        <List feed={feed} open={open} may={may} accountName={place.accountName} />
      </main>
      <p class="hidden" aria-live="polite">
        {view.announcement}
      </p>
      {shown ? (
        <Detail key={shown} id={shown} feed={feed} may={may} accountName={place.accountName} close={close} />
      ) : null}
    </>
  );
}

/** Counts in the title of the tab what came while nobody was looking. */
function useUnseen(arrived: number, name: string): void {
  const [seen, setSeen] = useState(0);
  useEffect(() => {
    const look = () => {
      if (document.visibilityState === "visible") setSeen(arrived);
    };
    look();
    document.addEventListener("visibilitychange", look);
    return () => document.removeEventListener("visibilitychange", look);
  }, [arrived]);
  useEffect(() => {
    document.title = `${arrived > seen ? `(${arrived - seen}) ` : ""}Leads from ${name}`;
  }, [arrived, seen, name]);
}

interface FiguresProps {
  stats?: Stats;
  span: Span;
  change: (span: Span) => void;
}

function Figures({ stats, span, change }: FiguresProps) {
  const tiles: [string, string | undefined][] = [
    ["Leads", stats?.total.toLocaleString()],
    ["To review", stats?.pending.toLocaleString()],
    ["Accepted", stats?.accepted.toLocaleString()],
    ["Rejected", stats?.rejected.toLocaleString()],
    ["Returned", stats?.returned.toLocaleString()],
    ["Time to review", stats && duration(stats.medianReviewMinutes)],
  ];
  return (
    <section class="figures" aria-label="Figures">
      <label class="span">
        <span class="hidden">Figures of </span>
        <select value={span} onChange={(event) => change(Number(event.currentTarget.value) as Span)}>
          <option value={1}>Today</option>
          <option value={7}>Last 7 days</option>
          <option value={30}>Last 30 days</option>
        </select>
      </label>
      <dl>
        {tiles.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value ?? "…"}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
