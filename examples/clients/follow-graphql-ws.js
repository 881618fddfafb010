// The `leads` of an account with graphql-ws alone: https://the-guild.dev/graphql/ws
import { createClient } from "graphql-ws";
import { setTimeout as pause } from "node:timers/promises";
import WebSocket from "ws";

const QUERY = "subscription($after: String) { leads(after: $after) { cursor lead { id fields } } }";

export async function follow(url, token, onEvent, signal) {
  const client = createClient({
    url,
    // Node.js has a WebSocket of its own from version 22 on.
    webSocketImpl: WebSocket,
    connectionParams: { Authorization: `Bearer ${token}` },
    // Its own retries would send the variables of the first time: what came since would come again.
    retryAttempts: 0,
  });
  let after = null;
  while (!signal.aborted) {
    try {
      for await (const { data } of client.iterate({ query: QUERY, variables: { after } })) {
        after = data.leads.cursor;
        onEvent(data.leads);
        if (signal.aborted) break;
      }
    } catch {
      // The connection is lost; or there was an error, which a real program would look at.
    }
    await pause(200);
  }
  await client.dispose();
}
