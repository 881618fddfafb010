// The screens before the log-in: logging in, asking for a new password, and setting one by a mailed link.
import { useState } from "preact/hooks";
import { ask, explain, type Answer, sentence } from "./api";
import * as operations from "./operations";
import type { Tokens } from "./operations";
import { Alert, Door, Input, Submit } from "./parts";
import { partnerOf } from "./partner";
import { begin } from "./session";

const STAY = "Keep me logged in on this device";

/** What a form is doing: it does one thing at a time, and tells what went wrong. */
function useWork(): [boolean, string, (work: () => Promise<string | undefined>) => (event: Event) => void] {
  const [busy, setBusy] = useState(false);
  const [wrong, setWrong] = useState("");
  const run = (work: () => Promise<string | undefined>) => async (event: Event) => {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    setWrong("");
    try {
      setWrong((await work()) ?? "");
    } catch (error) {
      setWrong(explain(error));
    } finally {
      setBusy(false);
    }
  };
  return [busy, wrong, (work) => (event) => void run(work)(event)];
}

function Stay({ on, change }: { on: boolean; change: (on: boolean) => void }) {
  return (
    <label class="check">
      <input type="checkbox" checked={on} onChange={(event) => change(event.currentTarget.checked)} />
      {STAY}
    </label>
  );
}

/** Takes the session of an answer; else a text that says what is wrong. */
function take(answer: Answer<{ session: Tokens | null; userErrors: { message: string }[] }>, stay: boolean) {
  const { session, userErrors } = answer.data;
  if (!session) return sentence(userErrors[0]?.message ?? "that did not work: please try again");
  begin({ data: session, lag: answer.lag }, stay);
  return undefined;
}

interface LogInProps {
  note?: string;
  entered: () => void;
  forgot: () => void;
}

export function LogIn({ note, entered, forgot }: LogInProps) {
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [stay, setStay] = useState(false);
  const [busy, wrong, run] = useWork();
  const logIn = run(async () => {
    const { data, lag } = await ask(operations.LogIn, {
      input: { email: email.trim(), password, partnerId: partnerOf(new URL(location.href)) },
    });
    const refused = take({ data: data.portalLogIn, lag }, stay);
    if (!refused) entered();
    return refused;
  });
  return (
    <Door title="Log in to your leads">
      {note ? (
        <p class="note" role="status">
          {note}
        </p>
      ) : null}
      <form onSubmit={logIn}>
        <Alert>{wrong}</Alert>
        <Input
          label="Email"
          type="email"
          name="email"
          autoComplete="username"
          required
          value={email}
          change={setEmail}
        />
        <Input
          label="Password"
          type="password"
          name="password"
          autoComplete="current-password"
          required
          value={password}
          change={setPassword}
        />
        <Stay on={stay} change={setStay} />
        <Submit busy={busy}>Log in</Submit>
      </form>
      <button type="button" class="link" onClick={forgot}>
        Forgot your password?
      </button>
    </Door>
  );
}

export function ForgotPassword({ back }: { back: () => void }) {
  const [email, setEmail] = useState("");
  const [sent, setSent] = useState(false);
  const [busy, wrong, run] = useWork();
  const send = run(async () => {
    await ask(operations.RequestReset, { email: email.trim() });
    setSent(true);
    return undefined;
  });
  const form = (
    <form onSubmit={send}>
      <p>Enter your email address. You get a link with which you can set a new password.</p>
      <Alert>{wrong}</Alert>
      <Input label="Email" type="email" name="email" autoComplete="username" required value={email} change={setEmail} />
      <Submit busy={busy}>Send the link</Submit>
    </form>
  );
  return (
    <Door title="Set a new password">
      {sent ? (
        <p role="status">
          If {email} has access here, a link is on its way. It works for an hour. Nothing came? Look into the spam
          folder, or ask the company that gave you access.
        </p>
      ) : (
        form
      )}
      <button type="button" class="link" onClick={back}>
        Back to the log-in
      </button>
    </Door>
  );
}

interface SetPasswordProps {
  secret: string;
  entered: () => void;
  again: () => void;
}

export function SetPassword({ secret, entered, again }: SetPasswordProps) {
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const [stay, setStay] = useState(false);
  const [busy, wrong, run] = useWork();
  const set = run(async () => {
    const input = { token: secret, password, name: name.trim() || undefined };
    const { data, lag } = await ask(operations.Activate, { input });
    const refused = take({ data: data.activatePortalUser, lag }, stay);
    if (!refused) entered();
    return refused;
  });
  return (
    <Door title="Set your password">
      <form onSubmit={set}>
        <Alert>{wrong}</Alert>
        <Input
          label="Your name (optional)"
          name="name"
          autoComplete="name"
          maxLength={120}
          value={name}
          change={setName}
        />
        <Input
          label="New password"
          hint="At least 10 characters. A few words that nobody would guess make a good one."
          type="password"
          name="password"
          autoComplete="new-password"
          required
          value={password}
          change={setPassword}
        />
        <Stay on={stay} change={setStay} />
        <Submit busy={busy}>Set the password and log in</Submit>
      </form>
      <button type="button" class="link" onClick={again}>
        Does the link not work? Ask for a new one
      </button>
    </Door>
  );
}
