export interface ResumeOptions {
  /** The server's address: `wss://leads.example.com/graphql`. */
  url: string;
  /** A subscription with one field that selects `cursor`, and that gives the variable `$after: String` to its `after`. */
  query: string;
  /** Variables other than `after`. */
  variables?: Record<string, unknown>;
  /**
   * The cursor to continue after. Without it, events begin with now, and what happens while the
   * connection is lost before the first event is missed.
   */
  after?: string | null;
  /**
   * What to send as `Authorization`, such as `Bearer lmk_…`; asked for before each connection, so that it may be refreshed.
   * If it throws, it is asked again after a pause, without end: abort the signal to give up.
   */
  authorization: () => string | Promise<string>;
  /** Ends the loop, and closes the connection. */
  signal?: AbortSignal;
  /** A WebSocket class for environments that have none of their own. */
  webSocketImpl?: unknown;
}

/**
 * Yields the value of the subscription's field for each event, once and in order, through lost connections: it connects again
 * after pauses of 0.1 to 30 seconds, with the cursor of the last event that the loop's body has finished with. Ends when the
 * server completes the subscription or the signal aborts; throws what the server refuses: an invalid document, credentials
 * that it does not accept, a lost right.
 */
export function resume<Event extends { cursor: string }>(options: ResumeOptions): AsyncGenerator<Event, void, undefined>;
