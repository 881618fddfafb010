// Server-sent events by the "distinct connections" mode of graphql-sse, for where WebSocket does not get through.

/** One event: its name and its data. */
export interface ServerEvent {
  event: string;
  data: string;
}

/** Takes a stream of text apart into events; comments, which keep a connection alive, are passed over. */
export class Reader {
  private rest = "";

  /** The events that `text` completes. */
  push(text: string): ServerEvent[] {
    const blocks = (this.rest + text).replaceAll("\r\n", "\n").split("\n\n");
    this.rest = blocks.pop() ?? "";
    return blocks.map(parse).filter((event) => event !== undefined);
  }
}

function parse(block: string): ServerEvent | undefined {
  const fields = block
    .split("\n")
    .filter((line) => !line.startsWith(":"))
    .map((line) => line.match(/^([^:]*):? ?(.*)$/));
  const values = (name: string): string[] =>
    fields.filter((field) => field?.[1] === name).map((field) => field?.[2] ?? "");
  const event = values("event")[0];
  return event === undefined ? undefined : { event, data: values("data").join("\n") };
}

/** Whether an answer is such a stream. A server that does not have them answers otherwise. */
export function isStream(response: Response): boolean {
  return response.headers.get("content-type")?.startsWith("text/event-stream") ?? false;
}

/** The events of an answer, until it ends; `heard` is called for whatever comes, comments too. */
export async function* events(response: Response, heard: () => void): AsyncGenerator<ServerEvent> {
  if (!response.body) return;
  const reader = new Reader();
  const chunks = response.body.pipeThrough(new TextDecoderStream()).getReader();
  try {
    for (let chunk = await chunks.read(); !chunk.done; chunk = await chunks.read()) {
      heard();
      yield* reader.push(chunk.value);
    }
  } finally {
    await chunks.cancel().catch(() => undefined);
  }
}
