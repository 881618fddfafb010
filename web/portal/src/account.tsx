// What people change of themselves, and of how their company gets its leads.
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { explain, sentence } from "./api";
import * as operations from "./operations";
import type { DeliveryChannel, DeliverySettingsInput, Person, PortalPermission, PresentWay } from "./operations";
import { Alert, Dialog, Input, Submit } from "./parts";
import type { May, Place } from "./portal";
import { request } from "./session";

const RIGHTS: Record<PortalPermission, string> = {
  VIEW_LEADS: "see leads",
  EXPORT: "download them as CSV",
  REVIEW: "accept and reject them",
  RETURN: "ask for returns",
  EDIT_CONTACT: "change your contact data",
  EDIT_DELIVERY: "change how leads are delivered",
};

interface AccountProps {
  place: Place;
  may: May;
  rename: (user: Person) => void;
  close: () => void;
}

export function Account({ place, may, rename, close }: AccountProps) {
  const { user, accountName } = place;
  const rights = user.permissions.map((permission) => RIGHTS[permission] ?? permission);
  return (
    <Dialog title="Your account" kind="sheet" close={close}>
      <dl class="fields">
        <div>
          <dt>Email</dt>
          <dd>{user.email}</dd>
        </div>
        <div>
          <dt>You may</dt>
          <dd>{rights.join(", ") || "nothing yet"}</dd>
        </div>
      </dl>
      {may("EDIT_CONTACT") ? (
        <Contact user={user} rename={rename} />
      ) : (
        <p class="hint">Ask {accountName} to change your name or phone number.</p>
      )}
      {may("EDIT_DELIVERY") ? <Delivery place={place} /> : null}
    </Dialog>
  );
}

interface FormProps {
  title: string;
  button: string;
  save: () => Promise<string | undefined>;
  done: ComponentChildren;
  children: ComponentChildren;
}

/** A form that says when it has saved, and what was wrong. */
function Form({ title, button, save, done, children }: FormProps) {
  const [state, setState] = useState<"idle" | "busy" | "done">("idle");
  const [wrong, setWrong] = useState("");
  const submit = async (event: Event) => {
    event.preventDefault();
    if (state === "busy") return;
    setState("busy");
    setWrong("");
    const refused = await save().catch(explain);
    setWrong(refused ?? "");
    setState(refused ? "idle" : "done");
  };
  return (
    <form onSubmit={(event) => void submit(event)}>
      <h3>{title}</h3>
      <Alert>{wrong}</Alert>
      {children}
      <div role="status">{state === "done" ? done : null}</div>
      <Submit busy={state === "busy"}>{button}</Submit>
    </form>
  );
}

function Contact({ user, rename }: { user: Person; rename: (user: Person) => void }) {
  const [name, setName] = useState(user.name ?? "");
  const [phone, setPhone] = useState(user.phone ?? "");
  const save = async () => {
    const input = { name: name.trim() || undefined, phone: phone.trim() };
    const { portalUser, userErrors } = (await request(operations.UpdateContact, { input })).updatePortalContact;
    if (portalUser) rename(portalUser);
    return userErrors[0] && sentence(userErrors[0].message);
  };
  return (
    <Form title="Contact" button="Save the contact" save={save} done={<p class="note">Saved.</p>}>
      <Input label="Name" name="name" autoComplete="name" maxLength={120} value={name} change={setName} />
      <Input label="Phone" type="tel" name="phone" autoComplete="tel" maxLength={40} value={phone} change={setPhone} />
    </Form>
  );
}

/** How leads reach everybody here now, and the form that changes it. */
function Delivery({ place }: { place: Place }) {
  const [now, setNow] = useState<PresentWay>();
  const [wrong, setWrong] = useState("");
  useEffect(() => {
    request(operations.Delivery, {}).then(
      ({ portal }) => setNow(portal.delivery),
      (error: unknown) => setWrong(explain(error)),
    );
  }, []);
  if (now) return <DeliveryForm place={place} begin={now} />;
  return wrong ? <Alert>{wrong}</Alert> : <p role="status">Loading how leads reach you…</p>;
}

function DeliveryForm({ place, begin }: { place: Place; begin: PresentWay }) {
  const [now, setNow] = useState(begin);
  const [way, setWay] = useState(begin.channel);
  const [recipients, setRecipients] = useState((begin.recipients ?? [place.user.email]).join(", "));
  const [url, setUrl] = useState(begin.url ?? "");
  const [secret, setSecret] = useState<string | null>(null);
  const save = async () => {
    const wanted = chosen();
    if (way === "ACCOUNT" || JSON.stringify(wanted) === JSON.stringify(now))
      return "This is how they reach you already.";
    const { updatePortalDelivery: answer } = await request(operations.UpdateDelivery, { input: input(wanted) });
    if (answer.userErrors[0]) return sentence(answer.userErrors[0].message);
    setSecret(answer.signingSecret);
    setNow(wanted);
    return undefined;
  };
  const chosen = (): PresentWay => ({
    channel: way,
    recipients: way === "EMAIL" ? recipients.split(/[\s,;]+/).filter(Boolean) : null,
    url: way === "WEBHOOK" ? url.trim() : null,
  });
  const input = (wanted: PresentWay): DeliverySettingsInput => {
    if (wanted.recipients) {
      return { email: { recipients: wanted.recipients, subject: `New lead from ${place.accountName}` } };
    }
    return wanted.url === null ? { portal: {} } : { webhook: { url: wanted.url } };
  };
  const done = (
    <div class="note">
      <p>Saved. The next leads come this way.</p>
      {secret ? (
        <p>
          Requests are signed with this secret, which is shown this once: <code>{secret}</code>
        </p>
      ) : null}
    </div>
  );
  return (
    <Form title="How new leads reach you" button="Save the delivery" save={save} done={done}>
      <p class="hint">
        Saving replaces the present way, and all that was set for it, for everybody at {place.partnerName}. Leads that
        go by mail or webhook do not appear in this list.
      </p>
      {now.channel === "ACCOUNT" ? <p>At present they go into an account of {place.partnerName}.</p> : null}
      <fieldset class="choices">
        <legend class="hidden">Way</legend>
        <Choice way="PORTAL" now={way} choose={setWay} name="On this page" />
        <Choice way="EMAIL" now={way} choose={setWay} name="By mail" />
        <Choice way="WEBHOOK" now={way} choose={setWay} name="To your own system, by webhook" />
      </fieldset>
      {way === "EMAIL" ? (
        <Input
          label="Addresses"
          hint="Up to 20, with commas between them."
          name="recipients"
          required
          value={recipients}
          change={setRecipients}
        />
      ) : null}
      {way === "WEBHOOK" ? (
        <Input
          label="Address of the webhook"
          hint="Starts with https:// and takes JSON by POST."
          type="url"
          name="url"
          required
          value={url}
          change={setUrl}
        />
      ) : null}
    </Form>
  );
}

interface ChoiceProps {
  way: DeliveryChannel;
  now: DeliveryChannel;
  choose: (way: DeliveryChannel) => void;
  name: string;
}

function Choice({ way, now, choose, name }: ChoiceProps) {
  return (
    <label class="check">
      <input type="radio" name="way" checked={now === way} onChange={() => choose(way)} />
      {name}
    </label>
  );
}
