// The real binary with a database of its own, and the mails that it sends.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

const root = new URL("../../../", import.meta.url).pathname;
const binary = process.env.LEADMESH_BIN ?? join(process.env.CARGO_TARGET_DIR ?? join(root, "target"), "debug/leadmesh");

/** Asks until there is an answer, for at most fifteen seconds. */
export async function until(what, look) {
  for (const deadline = Date.now() + 15_000; Date.now() < deadline; await pause(25)) {
    const found = await look();
    if (found) return found;
  }
  throw new Error(`${what}: not within fifteen seconds`);
}

/** Takes mails and keeps them. */
class Mailbox {
  mails = [];

  async open() {
    this.server = createServer((socket) => this.talk(socket)).listen(0, "127.0.0.1");
    await once(this.server, "listening");
    return `smtp+plain://127.0.0.1:${this.server.address().port}`;
  }

  talk(socket) {
    let text = "";
    let inMail = false;
    socket.on("error", () => undefined);
    socket.write("220 here\r\n");
    socket.on("data", (bytes) => {
      text += bytes;
      for (let end = text.indexOf("\r\n"); inMail || end >= 0; end = text.indexOf("\r\n")) {
        if (inMail) {
          const dot = text.indexOf("\r\n.\r\n");
          if (dot < 0) return;
          this.mails.push(text.slice(0, dot));
          text = text.slice(dot + 5);
          inMail = false;
          socket.write("250 taken\r\n");
          continue;
        }
        const command = text.slice(0, end).toUpperCase();
        text = text.slice(end + 2);
        inMail = command === "DATA";
        if (command === "QUIT") socket.end("221 bye\r\n");
        else socket.write(inMail ? "354 go on\r\n" : "250 fine\r\n");
      }
    });
  }

  /** The link in the newest mail to somebody. */
  async link(to) {
    const mail = await until(`a mail to ${to}`, () => this.mails.findLast((mail) => mail.includes(`To: ${to}`)));
    const plain = mail.replaceAll("=\r\n", "").replaceAll("=3D", "=");
    return plain.match(/https?:\/\/\S+token=[\w-]+(&partner=\w+)?/)[0];
  }
}

export class Server {
  mailbox = new Mailbox();

  static async start() {
    const server = new Server();
    server.folder = await mkdtemp(join(tmpdir(), "leadmesh-browser-"));
    server.mailUrl = await server.mailbox.open();
    server.port = await freePort();
    server.url = `http://127.0.0.1:${server.port}`;
    await server.run();
    return server;
  }

  /** Starts the process, and waits until it answers. */
  async run() {
    const env = {
      PATH: process.env.PATH,
      HOME: this.folder,
      LEADMESH_LISTEN: `127.0.0.1:${this.port}`,
      LEADMESH_DATA_DIR: join(this.folder, "data"),
      LEADMESH_SMTP_URL: this.mailUrl,
      LEADMESH_MAIL_FROM: "leads@leadmesh.test",
      // The people of these tests read the mails that they wait for, and no others.
      LEADMESH_PROOF_OF_ADDRESS: "off",
      RUST_LOG: "warn",
    };
    this.process = spawn(binary, ["serve"], { cwd: this.folder, env, stdio: ["ignore", "ignore", "inherit"] });
    this.process.on("error", (error) => console.error(`${binary} cannot be started: ${error.message}`));
    await until("the server", async () => (await fetch(`${this.url}/readyz`).catch(() => undefined))?.ok);
  }

  /** Ends it as a power cut does. */
  async kill() {
    this.process.kill("SIGKILL");
    await once(this.process, "exit");
  }

  async stop() {
    if (this.process.exitCode === null && this.process.signalCode === null) await this.kill();
    this.mailbox.server.close();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** The data that GraphQL answers; an error of either kind is thrown. */
  async ask(query, variables, token) {
    const headers = { "content-type": "application/json", ...(token && { authorization: `Bearer ${token}` }) };
    const body = JSON.stringify({ query, variables });
    const answer = await (await fetch(`${this.url}/graphql`, { method: "POST", headers, body })).json();
    const broken = Object.values(answer.data ?? {}).flatMap((payload) => payload?.userErrors ?? []);
    const wrong = [...(answer.errors ?? []), ...broken];
    if (wrong.length > 0) throw new Error(`${query.slice(0, 60)}: ${wrong.map(({ message }) => message).join("; ")}`);
    return answer.data;
  }
}

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}
