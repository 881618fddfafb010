import { createClient } from "graphql-ws";

const LONGEST_PAUSE = 30_000;
/** The server restarts (1012), is full (1013), the token has expired (4403), or too little came in time (4408). */
const AGAIN = new Set([1012, 1013, 4403, 4408]);

/** Yields the value of the subscription's only field for each event; see index.d.ts. */
export async function* resume({ url, query, variables, after = null, authorization, signal, webSocketImpl }) {
  let failures = 0;
  while (!signal?.aborted) {
    let connected = false;
    const client = createClient({
      url,
      webSocketImpl,
      connectionParams: async () => ({ Authorization: await authorization() }),
      // Its own retries would send the variables of the first time: events would be missing or come again.
      retryAttempts: 0,
      on: { connected: () => (connected = true) },
    });
    const stop = () => client.terminate();
    signal?.addEventListener("abort", stop);
    try {
      for await (const { data, errors } of client.iterate({ query, variables: { ...variables, after } })) {
        if (errors) throw new AggregateError(errors, errors[0].message);
        failures = 0;
        const [event] = Object.values(data);
        yield event;
        // Kept after the program has dealt with the event, so that a new loop that begins with it misses none.
        after = event.cursor;
      }
      return;
    } catch (error) {
      if (signal?.aborted) return;
      if (Array.isArray(error)) throw new AggregateError(error, error[0]?.message);
      if (error instanceof AggregateError) throw error;
      const refused = error?.code >= 4400 && !(AGAIN.has(error.code) && (connected || error.code !== 4403));
      if (refused) throw new Error(`The server ended the subscription: ${error.reason} (${error.code}).`);
    } finally {
      signal?.removeEventListener("abort", stop);
      await client.dispose();
    }
    const pause = Math.min(LONGEST_PAUSE, 200 * 2 ** failures++) * (0.5 + Math.random() / 2);
    await new Promise((done) => setTimeout(done, pause));
  }
}
