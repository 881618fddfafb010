// The feed's stream: keeps it open, and after each break goes on behind the last event that was seen.
import { createClient, type FormattedExecutionResult } from "graphql-ws";
import { endpoint, refusal, Refused } from "./api";
import { Live as operation, type PortalLeadEventKind, type Lead } from "./operations";
import { renewal, token } from "./session";
import { events, isStream } from "./sse";

/** How it stands: `stopped` is for good. */
export type LiveState = "connecting" | "live" | "reconnecting" | "offline" | "stopped";

/** What happened to a lead. */
export interface LeadEvent {
  cursor: string;
  kind: PortalLeadEventKind;
  lead: Lead;
}

/** Who is told. */
export interface Listener {
  onEvent: (event: LeadEvent) => void;
  onState: (state: LiveState) => void;
  /** The server does not know the cursor (it was restored from a backup): everything has to be read anew. */
  onLost: () => void;
}

/** Why a connection ended. */
type End = "renew" | "broken" | "unauthorized" | "forbidden" | "lost";

type Result = FormattedExecutionResult<{ portalLeads: LeadEvent }, unknown>;

/** A ping that is not answered in this time tells that the connection is dead, in milliseconds. */
const PONG_WITHIN = 6_000;
const PING_EVERY = 15_000;
/** Of server-sent events nothing was heard for so long that the connection must be dead. */
const SILENCE = 60_000;
/** A renewal of the token takes less, and is not worth telling. */
const SHORT = 2_000;
const LONGEST_PAUSE = 15_000;
/** Attempts by WebSocket that never came through, before server-sent events are tried. */
const BLOCKED = 2;

export class Live {
  private stopped = false;
  private failures = 0;
  private socketsWork = false;
  private streamsWork = true;
  /** What worked last is tried first. */
  private streamsFirst = false;
  private refused?: string;
  private cut?: (end: End) => void;
  private wake?: () => void;

  constructor(
    private cursor: string,
    private readonly listener: Listener,
  ) {}

  start(): void {
    addEventListener("online", this.hurry);
    addEventListener("offline", this.lose);
    document.addEventListener("visibilitychange", this.hurry);
    void this.run();
  }

  stop(): void {
    this.stopped = true;
    removeEventListener("online", this.hurry);
    removeEventListener("offline", this.lose);
    document.removeEventListener("visibilitychange", this.hurry);
    this.cut?.("broken");
    this.wake?.();
  }

  private readonly hurry = (): void => {
    if (document.visibilityState === "visible") this.wake?.();
  };

  private readonly lose = (): void => {
    this.listener.onState("offline");
    this.cut?.("broken");
  };

  private async run(): Promise<void> {
    this.listener.onState("connecting");
    while (!this.stopped) {
      const end = await this.connect();
      if (this.stopped) return;
      if (end === "forbidden" || end === "lost") {
        this.listener.onState("stopped");
        if (end === "lost") this.listener.onLost();
        return this.stop();
      }
      if (end !== "renew") await this.pause();
    }
  }

  private async pause(): Promise<void> {
    this.listener.onState(navigator.onLine ? "reconnecting" : "offline");
    const longest = Math.min(LONGEST_PAUSE, 500 * 2 ** this.failures);
    this.failures += 1;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, longest * (0.5 + Math.random() / 2));
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.wake = undefined;
  }

  /** One connection, from its beginning to its end. */
  private async connect(): Promise<End> {
    let access: string;
    try {
      access = await token(this.refused);
    } catch (error) {
      return error instanceof Refused && error.code === "UNAUTHENTICATED" ? "forbidden" : "broken";
    }
    const late = setTimeout(() => this.listener.onState(navigator.onLine ? "reconnecting" : "offline"), SHORT);
    const renew = setTimeout(() => this.cut?.("renew"), Math.max(renewal() - Date.now(), 1_000));
    const blocked = !this.socketsWork && this.streamsWork && (this.streamsFirst || this.failures >= BLOCKED);
    const end = await (blocked ? this.byEvents(access, late) : this.bySocket(access, late));
    clearTimeout(late);
    clearTimeout(renew);
    this.cut = undefined;
    this.refused = end === "unauthorized" ? access : undefined;
    return end;
  }

  private opened(late: ReturnType<typeof setTimeout>): void {
    clearTimeout(late);
    this.failures = 0;
    this.listener.onState("live");
  }

  private bySocket(access: string, late: ReturnType<typeof setTimeout>): Promise<End> {
    const url = new URL(endpoint);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    let dead: ReturnType<typeof setTimeout>;
    const client = createClient({
      url: url.href,
      retryAttempts: 0,
      keepAlive: PING_EVERY,
      connectionParams: { Authorization: `Bearer ${access}` },
      on: {
        connected: () => {
          this.socketsWork = true;
          this.opened(late);
        },
        ping: (received) => {
          if (!received) dead = setTimeout(() => this.cut?.("broken"), PONG_WITHIN);
        },
        pong: (received) => {
          if (received) clearTimeout(dead);
        },
      },
    });
    return new Promise<End>((resolve) => {
      this.cut = resolve;
      client.subscribe<{ portalLeads: LeadEvent }>(this.payload(), {
        next: (result) => this.take(result, resolve),
        error: (error) => resolve(this.reason(error)),
        complete: () => resolve("broken"),
      });
    }).finally(() => {
      clearTimeout(dead);
      client.terminate();
      void client.dispose();
    });
  }

  private payload(): { query: string; variables: { after: string } } {
    return { query: operation.text, variables: { after: this.cursor } };
  }

  private take(result: Result, done: (end: End) => void): void {
    if (result.errors) return done(this.reason(result.errors));
    const event = result.data?.portalLeads;
    if (!event) return;
    this.cursor = event.cursor;
    this.listener.onEvent(event);
  }

  /** Of what a socket or a subscription ended with: a close event, or errors of GraphQL. */
  private reason(error: unknown): End {
    if (error instanceof CloseEvent) return error.code === 4403 ? "unauthorized" : "broken";
    const first: unknown = Array.isArray(error) ? error[0] : undefined;
    const code = first ? refusal(first as Parameters<typeof refusal>[0]).code : "";
    if (code === "BAD_USER_INPUT") return "lost";
    if (code === "UNAUTHENTICATED") return "unauthorized";
    return code === "FORBIDDEN" ? "forbidden" : "broken";
  }

  private byEvents(access: string, late: ReturnType<typeof setTimeout>): Promise<End> {
    const abort = new AbortController();
    return new Promise<End>((resolve) => {
      this.cut = resolve;
      this.readEvents(access, late, abort.signal, resolve).then(resolve, () => resolve("broken"));
    }).finally(() => abort.abort());
  }

  private async readEvents(
    access: string,
    late: ReturnType<typeof setTimeout>,
    signal: AbortSignal,
    done: (end: End) => void,
  ): Promise<End> {
    const headers = {
      authorization: `Bearer ${access}`,
      accept: "text/event-stream",
      "content-type": "application/json",
    };
    const body = JSON.stringify(this.payload());
    this.streamsFirst = false;
    const response = await fetch(endpoint, { method: "POST", headers, body, signal, credentials: "omit" });
    if (response.status === 401) return "unauthorized";
    if (!isStream(response)) {
      this.streamsWork = response.status >= 500;
      return "broken";
    }
    this.streamsFirst = true;
    this.opened(late);
    let silent = setTimeout(() => done("broken"), SILENCE);
    const heard = (): void => {
      clearTimeout(silent);
      silent = setTimeout(() => done("broken"), SILENCE);
    };
    for await (const { event, data } of events(response, heard)) {
      if (event === "next") this.take(JSON.parse(data) as Result, done);
    }
    clearTimeout(silent);
    return "broken";
  }
}
