// Chromium, as Debian has it.
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

/** A browser of which each context is as new. */
export function launch() {
  const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
  return chromium.launch({ executablePath, headless: true, args: ARGUMENTS });
}

/** A page in a context of its own. */
export async function open(browser, options = {}) {
  const context = await browser.newContext({ locale: "en-US", timezoneId: "America/Denver", ...options });
  context.setDefaultTimeout(12_000);
  // It would open a window to choose a file in.
  await context.addInitScript(() => delete window.showSaveFilePicker);
  return await context.newPage();
}
