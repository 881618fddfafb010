// What narrows the list, and the download of what is left.
import { useEffect, useRef, useState } from "preact/hooks";
import { explain } from "./api";
import { download } from "./download";
import type { Feed } from "./feed";
import { type Days, isImpossible, type Tab } from "./list";
import { Alert, Icon } from "./parts";

const TABS: [Tab, string][] = [
  ["all", "All"],
  ["pending", "To review"],
  ["accepted", "Accepted"],
  ["rejected", "Rejected"],
  ["returns", "Returns"],
];

const DAYS: [Days, string][] = [
  ["any", "Any time"],
  ["today", "Today"],
  ["week", "Last 7 days"],
  ["month", "Last 30 days"],
  ["custom", "From … to …"],
];

export function Toolbar({ feed, exports }: { feed: Feed; exports: boolean }) {
  const { narrowing } = feed.view;
  return (
    <section class="toolbar" aria-label="Which leads are shown">
      <fieldset class="tabs">
        <legend class="hidden">Status</legend>
        {TABS.map(([tab, name]) => (
          <label key={tab}>
            <input type="radio" name="tab" checked={narrowing.tab === tab} onChange={() => void feed.narrow({ tab })} />
            <span>{name}</span>
          </label>
        ))}
      </fieldset>
      <span class="grow" />
      <Search feed={feed} />
      <label>
        <span class="hidden">When they came</span>
        <select
          value={narrowing.days}
          onChange={(event) => void feed.narrow({ days: event.currentTarget.value as Days })}
        >
          {DAYS.map(([days, name]) => (
            <option key={days} value={days}>
              {name}
            </option>
          ))}
        </select>
      </label>
      {narrowing.days === "custom" ? <Between feed={feed} /> : null}
      {exports ? <Download feed={feed} /> : null}
    </section>
  );
}

/** Searches when asked to: each search is a look-up on the server. */
function Search({ feed }: { feed: Feed }) {
  const { search } = feed.view.narrowing;
  const [text, setText] = useState(search);
  useEffect(() => setText(search), [search]);
  return (
    <form
      class="search"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        void feed.narrow({ search: text });
      }}
    >
      <label class="hidden" for="search">
        Search by whole email address, phone number or name
      </label>
      <input
        id="search"
        type="search"
        placeholder="Email, phone or name"
        value={text}
        onInput={(event) => {
          setText(event.currentTarget.value);
          if (event.currentTarget.value === "" && search !== "") void feed.narrow({ search: "" });
        }}
      />
      <button type="submit" class="quiet icon" aria-label="Search">
        <Icon name="search" />
      </button>
    </form>
  );
}

function Between({ feed }: { feed: Feed }) {
  const { narrowing } = feed.view;
  const wrong = isImpossible(narrowing, new Date());
  return (
    <span class="between">
      <label>
        From{" "}
        <input
          type="date"
          value={narrowing.from}
          onChange={(event) => void feed.narrow({ from: event.currentTarget.value })}
        />
      </label>
      <label>
        to{" "}
        <input
          type="date"
          value={narrowing.to}
          aria-invalid={wrong}
          onChange={(event) => void feed.narrow({ to: event.currentTarget.value })}
        />
      </label>
      <Alert>{wrong ? "The last day lies before the first one." : undefined}</Alert>
    </span>
  );
}

function Download({ feed }: { feed: Feed }) {
  const [busy, setBusy] = useState(false);
  const [wrong, setWrong] = useState("");
  const stop = useRef<AbortController>(undefined);
  useEffect(() => () => stop.current?.abort(), []);
  const run = async () => {
    if (busy) return stop.current?.abort();
    setBusy(true);
    setWrong("");
    stop.current = new AbortController();
    try {
      await download(feed.view.narrowing, stop.current.signal);
    } catch (error) {
      if (!stop.current.signal.aborted) setWrong(explain(error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <>
      <button type="button" onClick={() => void run()} title="What the list shows, as a file for a spreadsheet">
        {busy ? <span class="spinner" aria-hidden="true" /> : <Icon name="download" />}
        {busy ? "Stop the download" : "CSV"}
      </button>
      <Alert>{wrong}</Alert>
    </>
  );
}
