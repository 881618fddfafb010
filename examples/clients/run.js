// Lets four clients follow the leads of a new account, cuts their connections again and again while leads come in, and
// looks whether each of them got every lead once, in order.
//
//   node run.js [ENDPOINT] [LEADS]
//
// The endpoint is http://127.0.0.1:8080/graphql if not given; everybody must be allowed to sign up there. PYTHON names a
// Python with what requirements.txt asks for; without it the Python client is left out.
import { spawn } from "node:child_process";
import { once, setMaxListeners } from "node:events";
import { connect, createServer } from "node:net";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { follow as apollo } from "./follow-apollo.js";
import { follow as graphqlWs } from "./follow-graphql-ws.js";
import { follow as urql } from "./follow-urql.js";

const endpoint = new URL(process.argv[2] ?? "http://127.0.0.1:8080/graphql");
const LEADS = Number(process.argv[3] ?? 200);
const CUTS = 4;

async function ask(query, input, token) {
  const headers = { "content-type": "application/json", ...(token && { authorization: `Bearer ${token}` }) };
  const response = await fetch(endpoint, {
    method: "POST",
    headers,
    body: JSON.stringify({ query, variables: { input } }),
  });
  const { data, errors } = await response.json();
  const wrong = errors ?? Object.values(data).flatMap(({ userErrors }) => userErrors ?? []);
  if (wrong.length > 0) throw new Error(wrong.map(({ message }) => message).join("; "));
  return data;
}

async function account() {
  const person = {
    accountName: "Example",
    name: "Ann",
    email: `ann-${Date.now()}@example.com`,
    password: "a good phrase",
  };
  const signUp =
    "mutation($input: SignUpInput!) { signUp(input: $input) { session { accessToken } userErrors { message } } }";
  const { accessToken } = (await ask(signUp, person)).signUp.session;
  const create =
    "mutation($input: CreateFlowInput!) { createFlow(input: $input) { flow { id } userErrors { message } } }";
  const fields = [{ name: "number", type: "INTEGER", required: true }];
  const { flow } = (await ask(create, { name: "Leads", fields }, accessToken)).createFlow;
  return { token: accessToken, flow: flow.id };
}

/** Stands between the clients and the server, and can cut what goes through it. */
class Cable {
  sockets = new Set();
  cuts = 0;

  async open() {
    const { hostname, port } = endpoint;
    this.server = createServer((near) => {
      const far = connect(Number(port || 80), hostname);
      for (const socket of [near, far]) {
        this.sockets.add(socket);
        socket.on("error", () => undefined);
        socket.on("close", () => [near, far].forEach((other) => other.destroy()));
        socket.on("close", () => this.sockets.delete(socket));
      }
      near.pipe(far).pipe(near);
    });
    await once(this.server.listen(0, "127.0.0.1"), "listening");
    return `ws://127.0.0.1:${this.server.address().port}${endpoint.pathname}`;
  }

  cut() {
    this.cuts += this.sockets.size / 2;
    this.sockets.forEach((socket) => socket.destroy());
  }

  close() {
    this.server.close();
    this.cut();
  }
}

/** gql runs in a process of its own. */
async function python(url, token, onEvent, signal) {
  const program = new URL("follow_gql.py", import.meta.url).pathname;
  const child = spawn(process.env.PYTHON, [program, url, token], { stdio: ["ignore", "pipe", "inherit"] });
  signal.addEventListener("abort", () => child.kill());
  createInterface(child.stdout).on("line", (line) => onEvent(JSON.parse(line)));
  await once(child, "exit");
  if (!signal.aborted) throw new Error("the Python client has ended");
}

/** Looks until it holds, for at most twenty seconds. */
async function until(holds) {
  for (const deadline = Date.now() + 20_000; !holds() && Date.now() < deadline; await pause(20));
  return holds();
}

if (endpoint.protocol !== "http:") throw new Error("connections are cut below TLS: take an http endpoint");
const { token, flow } = await account();
let number = 0;
const submit = async () => {
  number += 1;
  const query =
    "mutation($input: SubmitLeadInput!) { submitLead(input: $input) { receipt { outcome } userErrors { message } } }";
  await ask(query, { flowId: flow, fields: { number } }, token);
};

const cable = new Cable();
const url = await cable.open();
const clients = {
  "graphql-ws": graphqlWs,
  "Apollo Client": apollo,
  urql,
  ...(process.env.PYTHON && { "gql (Python)": python }),
};
const got = Object.fromEntries(Object.keys(clients).map((name) => [name, []]));
const end = new AbortController();
setMaxListeners(0, end.signal);
const running = Object.entries(clients).map(([name, follow]) =>
  follow(url, token, ({ lead }) => got[name].push(lead.fields.number), end.signal),
);
Promise.all(running).catch((error) => {
  console.error(error);
  process.exit(1);
});

// A subscription without a cursor begins with now: leads are submitted until everybody has had one.
while (Object.values(got).some((numbers) => numbers.length === 0)) {
  if (number > 600) throw new Error(`nothing came to ${Object.keys(got).filter((name) => got[name].length === 0)}`);
  await submit();
  await pause(50);
}
const last = number + LEADS;
for (let cut = 0; number < last;) {
  await submit();
  if (last - number <= (LEADS * (CUTS - cut)) / (CUTS + 1) && cut < CUTS) {
    cable.cut();
    cut += 1;
  }
}
await until(() => Object.values(got).every((numbers) => numbers.at(-1) === last));
end.abort();
cable.close();

let failed = false;
for (const [name, numbers] of Object.entries(got)) {
  const expected = Array.from({ length: last - numbers[0] + 1 }, (_, place) => numbers[0] + place);
  const right = numbers.join() === expected.join();
  console.log(`${name}: ${numbers.length} leads, ${right ? "each once and in order" : `NOT RIGHT: ${numbers}`}`);
  failed ||= !right;
}
console.log(`${cable.cuts} connections were cut`);
if (cable.cuts < CUTS * running.length * 0.75) failed = true;
await Promise.all(running);
process.exit(failed ? 1 : 0);
