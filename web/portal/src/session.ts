// Who is signed in: keeps the tokens, renews them in time, and lets all tabs of this browser share one session.
import { ask, type Answer, Refused } from "./api";
import * as operations from "./operations";
import type { Operation, Tokens } from "./operations";

const KEY = "leadmesh-portal-session";
/** A token that ends within this is renewed before it is used, in milliseconds. */
const MARGIN = 60_000;

interface Kept {
  access: string;
  refresh: string;
  /** When `access` ends, by this device's clock. */
  until: number;
}

/**
 * Where the tokens are: `localStorage` for who wants to stay signed in, else `sessionStorage`, which ends with the tab.
 * No cookie: what another site makes this browser send carries no rights.
 */
function places(): Storage[] {
  return [localStorage, sessionStorage];
}

function kept(): Kept | undefined {
  const text = places()
    .map((place) => place.getItem(KEY))
    .find((text) => text !== null);
  if (!text) return undefined;
  try {
    const found = JSON.parse(text) as Partial<Kept>;
    const { access, refresh, until } = found;
    return access && refresh && typeof until === "number" ? { access, refresh, until } : undefined;
  } catch {
    return undefined;
  }
}

function keep(tokens: Tokens, lag: number, place: Storage): Kept {
  const until = Date.parse(tokens.expiresAt) - lag;
  const now = { access: tokens.accessToken, refresh: tokens.refreshToken, until };
  place.setItem(KEY, JSON.stringify(now));
  return now;
}

function forget(): void {
  places().forEach((place) => place.removeItem(KEY));
}

/** Called when a session has ended that nobody here has ended, with what to tell. */
type Ended = (message: string) => void;
let ended: Ended = () => undefined;

/** Says what to do when the session ends by itself, or in another tab, or when another tab signs in. */
export function watch(whenEnded: Ended, whenBegun: () => void): () => void {
  ended = whenEnded;
  const follow = (event: StorageEvent): void => {
    if (event.key !== KEY || event.storageArea !== localStorage) return;
    if (event.newValue === null) whenEnded("You have logged out in another tab.");
    else if (event.oldValue === null) whenBegun();
  };
  addEventListener("storage", follow);
  return () => removeEventListener("storage", follow);
}

/** Whether somebody is signed in, as far as is known here. */
export function isSignedIn(): boolean {
  return kept() !== undefined;
}

/** Takes the tokens of a log-in; those of whoever was signed in before are dropped. */
export function begin({ data, lag }: Answer<Tokens>, stay: boolean): void {
  forget();
  keep(data, lag, stay ? localStorage : sessionStorage);
}

/** Ends the session here at once, and on the server if it can be reached. */
export async function end(): Promise<void> {
  const session = kept();
  forget();
  if (session) await ask(operations.LogOut, { refreshToken: session.refresh }).catch(() => undefined);
}

/** When the token that is in use has to be renewed, by this device's clock. */
export function renewal(): number {
  return (kept()?.until ?? 0) - MARGIN;
}

/** A token that is good for at least a minute, unless the clock lies. `stale` is one that was refused. */
export async function token(stale?: string): Promise<string> {
  const session = kept();
  if (session && session.access !== stale && session.until - MARGIN > Date.now()) return session.access;
  return await alone(() => renew(stale));
}

/** A refresh token works once, so only one tab may use it. Without HTTPS there are no locks, but a minute of grace. */
async function alone<T>(work: () => Promise<T>): Promise<T> {
  // Not in insecure contexts, whatever the types say.
  const locks = navigator.locks as LockManager | undefined;
  return locks ? await locks.request(KEY, work) : await work();
}

async function renew(stale?: string): Promise<string> {
  // Another tab may have done it while we waited.
  const session = kept();
  if (!session) throw new Refused("UNAUTHENTICATED", "Please log in.");
  if (session.access !== stale && session.until - MARGIN > Date.now()) return session.access;
  const place = localStorage.getItem(KEY) === null ? sessionStorage : localStorage;
  const { data, lag } = await ask(operations.Refresh, { refreshToken: session.refresh }).catch(given);
  const tokens = data.refreshSession.session;
  if (tokens) return keep(tokens, lag, place).access;
  return given(new Refused("UNAUTHENTICATED", ""));
}

/** A server that is busy or away does not end a session; one that does not know it does. */
function given(error: unknown): never {
  if (error instanceof Refused && (error.code === "UNAUTHENTICATED" || error.code === "FORBIDDEN")) {
    forget();
    const message = "Your session has ended. Please log in again.";
    ended(message);
    throw new Refused("UNAUTHENTICATED", message);
  }
  throw error;
}

/** Asks as whoever is signed in; a token that is refused is renewed once. */
export async function request<Data, Variables>(
  operation: Operation<Data, Variables>,
  variables: Variables,
): Promise<Data> {
  const first = await token();
  try {
    return (await ask(operation, variables, first)).data;
  } catch (error) {
    if (!(error instanceof Refused) || error.code !== "UNAUTHENTICATED") throw error;
    return (await ask(operation, variables, await token(first))).data;
  }
}
