// The CSV file. Where the browser can write to a file it is streamed into it; elsewhere the browser gathers it first, on disk
// when it is long.
import { endpoint, Refused, sentence } from "./api";
import { filterOf, type Narrowing } from "./list";
import * as operations from "./operations";
import { request, token } from "./session";

interface Picker {
  showSaveFilePicker?: (options: { suggestedName: string }) => Promise<FileSystemFileHandle>;
}

/** Downloads what the list shows, all pages of it. Ends quietly when the user changes their mind. */
export async function download(narrowing: Narrowing, signal: AbortSignal): Promise<void> {
  const name = `leads-${new Date().toLocaleDateString("sv")}.csv`;
  const target = await choose(name);
  if (target === "none") return;
  const response = await fetchFile(narrowing, signal);
  try {
    if (target && response.body) return await response.body.pipeTo(await target.createWritable(), { signal });
    save(await response.blob(), name);
  } catch (error) {
    if (signal.aborted) throw error;
    throw new Refused("BROKEN", "The download broke off. Please try again.");
  }
}

/** Asked for before anything else: browsers allow it only right after a click. */
async function choose(suggestedName: string): Promise<FileSystemFileHandle | "none" | undefined> {
  const { showSaveFilePicker } = window as Picker;
  if (!showSaveFilePicker) return undefined;
  try {
    return await showSaveFilePicker.call(window, { suggestedName });
  } catch (error) {
    return error instanceof DOMException && error.name === "AbortError" ? "none" : undefined;
  }
}

async function fetchFile(narrowing: Narrowing, signal: AbortSignal): Promise<Response> {
  const address = await addressOf(narrowing);
  const first = await token();
  const answer = await get(address, first, signal);
  const response = answer.status === 401 ? await get(address, await token(first), signal) : answer;
  if (response.ok) return response;
  throw await whyNot(response);
}

async function get(address: URL, access: string, signal: AbortSignal): Promise<Response> {
  try {
    return await fetch(address, { headers: { authorization: `Bearer ${access}` }, signal, credentials: "omit" });
  } catch (error) {
    if (signal.aborted) throw error;
    throw new Refused("OFFLINE", "The server cannot be reached. Check your connection and try again.");
  }
}

/** A refusal comes as a line of text. */
async function whyNot(response: Response): Promise<Refused> {
  const text =
    response.status < 500 ? sentence(await response.text()) : "The file cannot be made now. Please try again.";
  return new Refused("REFUSED", text);
}

/** The query is the server's; the rest of the address is seen from here, where a proxy may have changed it. */
async function addressOf(narrowing: Narrowing): Promise<URL> {
  const filter = filterOf(narrowing, new Date());
  const { csvUrl } = (await request(operations.CsvUrl, { filter })).portal;
  const address = new URL("portal/leads.csv", endpoint);
  address.search = new URL(csvUrl).search;
  return address;
}

function save(file: Blob, name: string): void {
  const address = URL.createObjectURL(file);
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
