import { createGraphiQLFetcher } from "@graphiql/toolkit";
import { GraphiQL } from "graphiql";
import "graphiql/style.css";
import { createRoot } from "react-dom/client";
import "./page.css";
import { tabs } from "./tabs.js";

const endpoint = new URL("/graphql", location.href);
const socket = new URL(endpoint);
socket.protocol = endpoint.protocol === "https:" ? "wss:" : "ws:";

// What stands in the headers editor goes out twice: as headers of a request, and as the payload of
// `connection_init` when a subscription opens its socket.
const send = createGraphiQLFetcher({ url: endpoint.href, subscriptionUrl: socket.href });

/** Leaves out an Authorization without a token, which the server would refuse, also for signing up. */
function fetcher(request, options) {
  const entries = Object.entries(options?.headers ?? {});
  const headers = Object.fromEntries(entries.filter(([, value]) => !/^\s*bearer\s*$/i.test(value)));
  return shown(send(request, { ...options, headers }));
}

/** What a subscription that is refused or broken off throws is shown in place of its next result. */
async function shown(sent) {
  const results = await sent;
  return results?.[Symbol.asyncIterator] ? told(results) : results;
}

function told(results) {
  const inner = results[Symbol.asyncIterator]();
  // graphql-ws throws errors, lists of GraphQL errors, and the event that closed the socket.
  const refused = (error) => ({
    done: false,
    value: { errors: Array.isArray(error) ? error : [{ message: error?.message || error?.reason || String(error) }] },
  });
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    next: () => inner.next().catch(refused),
    return: (value) => inner.return?.(value) ?? Promise.resolve({ done: true, value }),
  };
}

// GraphiQL writes the headers, and with them the token, into tabs and history. All of it is kept for
// this browser tab only, never in localStorage.
createRoot(document.getElementById("graphiql")).render(
  <GraphiQL
    fetcher={fetcher}
    storage={window.sessionStorage}
    shouldPersistHeaders
    showPersistHeadersSettings={false}
    isHeadersEditorEnabled
    inputValueDeprecation
    defaultTabs={tabs}
    defaultHeaders={tabs[0].headers}
    defaultEditorToolsVisibility="headers"
  >
    <GraphiQL.Logo>Leadmesh</GraphiQL.Logo>
  </GraphiQL>,
);
