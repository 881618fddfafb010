// Accepting, rejecting and asking for returns: the buttons' work, and the question for a reason.
import { useRef, useState } from "preact/hooks";
import { explain } from "./api";
import type { Feed, Verdict } from "./feed";
import { counted } from "./format";
import { Alert, Dialog, Submit } from "./parts";

const LONGEST = 1_000;

interface ReasonProps {
  feed: Feed;
  verdict: Exclude<Verdict, "accept">;
  ids: readonly string[];
  /** What one lead is called. */
  title?: string;
  accountName: string;
  /** Called with whether it was done. */
  close: (done: boolean) => void;
}

/** Asks why, and tells the server. */
export function Reason({ feed, verdict, ids, title, accountName, close }: ReasonProps) {
  const [text, setText] = useState("");
  const [busy, setBusy] = useState(false);
  const [wrong, setWrong] = useState("");
  const area = useRef<HTMLTextAreaElement>(null);
  const what = ids.length === 1 && title ? title : counted(ids.length, "lead");
  const submit = async (event: Event) => {
    event.preventDefault();
    // The API takes one line.
    const reason = text.replaceAll(/\s+/g, " ").trim();
    if (busy) return;
    if (!reason) {
      setWrong("Please say why.");
      return area.current?.focus();
    }
    setBusy(true);
    try {
      await feed.review(verdict, ids, reason);
      close(true);
    } catch (error) {
      setWrong(explain(error));
      setBusy(false);
    }
  };
  return (
    <Dialog
      title={verdict === "reject" ? `Reject ${what}` : `Ask to return ${what}`}
      kind="box"
      close={() => close(false)}
    >
      <form onSubmit={(event) => void submit(event)}>
        <Alert>{wrong}</Alert>
        <div class="field">
          <label for="reason">Reason</label>
          <textarea
            id="reason"
            ref={area}
            rows={3}
            autoFocus
            maxLength={LONGEST}
            aria-describedby="reason-hint"
            value={text}
            onInput={(event) => setText(event.currentTarget.value)}
          />
          <p class="hint" id="reason-hint">
            {accountName} gets to read it.
            {verdict === "return" ? " They decide whether they take it back." : ""}
          </p>
        </div>
        <p class="row end">
          <button type="button" onClick={() => close(false)}>
            Cancel
          </button>
          <Submit busy={busy}>{verdict === "reject" ? "Reject" : "Ask for the return"}</Submit>
        </p>
      </form>
    </Dialog>
  );
}
