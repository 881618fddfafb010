// Chromium, as Debian has it.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const ARGUMENTS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** A browser with nothing in it; `close` ends it and removes what it kept. */
export async function open(options = {}) {
  const folder = await mkdtemp(join(tmpdir(), "leadmesh-chromium-"));
  const context = await chromium.launchPersistentContext(folder, {
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    headless: true,
    args: ARGUMENTS,
    locale: "en-US",
    timezoneId: "America/Denver",
    acceptDownloads: true,
    ...options,
  });
  context.setDefaultTimeout(8_000);
  // It would open a window to choose a file in.
  await context.addInitScript(() => delete window.showSaveFilePicker);
  const close = async () => {
    await context.close();
    await rm(folder, { recursive: true, force: true });
  };
  return { context, close };
}
