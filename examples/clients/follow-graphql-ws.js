// The `leads` of an account with graphql-ws and the package in ../resume, which keeps the cursor and connects again.
import { resume } from "leadmesh-resume";
import WebSocket from "ws";

const query = "subscription($after: String) { leads(after: $after) { cursor lead { id fields } } }";

export async function follow(url, token, onEvent, signal) {
  // Node.js has a WebSocket of its own from version 22 on.
  const options = { url, query, authorization: () => `Bearer ${token}`, signal, webSocketImpl: WebSocket };
  for await (const event of resume(options)) onEvent(event);
}
