// The `leads` of an account with urql, whose core is the same for React, Vue and Svelte: https://nearform.com/open-source/urql
import { Client, subscriptionExchange } from "@urql/core";
import { createClient } from "graphql-ws";
import { setTimeout as pause } from "node:timers/promises";
import WebSocket from "ws";

const QUERY = "subscription($after: String) { leads(after: $after) { cursor lead { id fields } } }";

export async function follow(url, token, onEvent, signal) {
  const socket = createClient({
    url,
    webSocketImpl: WebSocket,
    connectionParams: { Authorization: `Bearer ${token}` },
    // Its own retries would send the variables of the first time, and events would be missing or come again.
    retryAttempts: 0,
  });
  const forwardSubscription = ({ query, variables }) => ({
    subscribe: (sink) => ({ unsubscribe: socket.subscribe({ query, variables }, sink) }),
  });
  const client = new Client({
    url: url.replace(/^ws/, "http"),
    preferGetMethod: false,
    exchanges: [subscriptionExchange({ forwardSubscription })],
  });
  let after = null;
  while (!signal.aborted) {
    await new Promise((resolve) => {
      const { unsubscribe } = client.subscription(QUERY, { after }).subscribe(({ data, error, hasNext }) => {
        if (data && !error) {
          after = data.leads.cursor;
          onEvent(data.leads);
        }
        // The loss of the connection comes as a result with an error, and an end as one without a next.
        if (error || !hasNext) {
          queueMicrotask(() => unsubscribe());
          resolve();
        }
      });
      signal.addEventListener("abort", () => {
        unsubscribe();
        resolve();
      });
    });
    await pause(200);
  }
  await socket.dispose();
}
