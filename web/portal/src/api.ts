// Requests to the server's GraphQL endpoint, over HTTP.
import type { Operation } from "./operations";

/** Where the API is, as seen from `/portal/`: a proxy may have put something in front of both. */
export const endpoint = new URL("../graphql", new URL(".", location.href));

/** How long an answer is waited for, in milliseconds. */
const PATIENCE = 30_000;

/** Why a request was not answered as hoped; `message` can be shown. */
export class Refused extends Error {
  /** One of the API's error codes, or `OFFLINE` when nothing was reached. */
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** What a request brought, and how far this device's clock is behind the server's, in milliseconds. */
export interface Answer<Data> {
  data: Data;
  lag: number;
}

interface Failure {
  message: string;
  extensions?: { code?: string; retryAfterSeconds?: number };
}

/** Sends one operation; throws `Refused`. */
export async function ask<Data, Variables>(
  operation: Operation<Data, Variables>,
  variables: Variables,
  token?: string,
): Promise<Answer<Data>> {
  const response = await send(JSON.stringify({ query: operation.text, variables }), token);
  const lag = lagBehind(response.headers.get("date"));
  const body = await read(response);
  if (body.errors?.[0]) throw refusal(body.errors[0]);
  if (!body.data) throw new Refused("INTERNAL_SERVER_ERROR", "The server's answer was empty. Please try again.");
  return { data: body.data as Data, lag };
}

async function send(body: string, token?: string): Promise<Response> {
  const headers: Record<string, string> = { "content-type": "application/json", accept: "application/json" };
  if (token) headers.authorization = `Bearer ${token}`;
  try {
    const signal = AbortSignal.timeout(PATIENCE);
    return await fetch(endpoint, { method: "POST", headers, body, signal, credentials: "omit", cache: "no-store" });
  } catch {
    throw new Refused("OFFLINE", "The server cannot be reached. Check your connection and try again.");
  }
}

async function read(response: Response): Promise<{ data?: unknown; errors?: Failure[] }> {
  try {
    return (await response.json()) as { data?: unknown; errors?: Failure[] };
  } catch {
    throw new Refused("UNAVAILABLE", `The server is not available right now (${response.status}). Please try again.`);
  }
}

/** What an error of the API is called here. */
export function refusal({ message, extensions }: Failure): Refused {
  const code = extensions?.code ?? "INTERNAL_SERVER_ERROR";
  if (code === "RATE_LIMITED") {
    const seconds = extensions?.retryAfterSeconds;
    return new Refused(
      code,
      `Too many tries. Please wait ${seconds ? `${seconds} seconds` : "a moment"} and try again.`,
    );
  }
  if (code === "INTERNAL_SERVER_ERROR")
    return new Refused(code, "Something went wrong on the server. Please try again.");
  return new Refused(code, sentence(message));
}

/** The API writes its messages without a capital and a full stop. */
export function sentence(text: string): string {
  const trimmed = text.trim();
  const ended = /[.!?]$/.test(trimmed) ? trimmed : `${trimmed}.`;
  return ended.charAt(0).toUpperCase() + ended.slice(1);
}

function lagBehind(date: string | null): number {
  const server = date ? Date.parse(date) : Number.NaN;
  return Number.isNaN(server) ? 0 : server - Date.now();
}

/** What to show of anything that was thrown. */
export function explain(error: unknown): string {
  return error instanceof Refused ? error.message : "Something went wrong in this page. Please reload it.";
}
