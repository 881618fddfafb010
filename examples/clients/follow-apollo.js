// The `leads` of an account with Apollo Client: https://www.apollographql.com/docs/react
import { ApolloClient, ApolloLink, gql, InMemoryCache } from "@apollo/client";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { createClient } from "graphql-ws";
import { setTimeout as pause } from "node:timers/promises";
import WebSocket from "ws";

const QUERY = gql`
  subscription ($after: String) {
    leads(after: $after) {
      cursor
      lead {
        id
        fields
      }
    }
  }
`;

export async function follow(url, token, onEvent, signal) {
  const socket = createClient({
    url,
    webSocketImpl: WebSocket,
    connectionParams: { Authorization: `Bearer ${token}` },
    // Its own retries would send the variables of the first time, and events would be missing or come again.
    retryAttempts: 0,
  });
  const client = new ApolloClient({ link: ApolloLink.from([new GraphQLWsLink(socket)]), cache: new InMemoryCache() });
  let after = null;
  while (!signal.aborted) {
    await new Promise((resolve) => {
      const observable = client.subscribe({ query: QUERY, variables: { after }, fetchPolicy: "no-cache" });
      const subscription = observable.subscribe({
        next: ({ data, error }) => {
          // The loss of the connection comes as a result with an error.
          if (error || !data) return resolve();
          after = data.leads.cursor;
          onEvent(data.leads);
        },
        error: resolve,
        complete: resolve,
      });
      signal.addEventListener("abort", () => {
        subscription.unsubscribe();
        resolve();
      });
    });
    await pause(200);
  }
  client.stop();
  await socket.dispose();
}
