// The page for partners in a real browser, against the real server: each test has a company, a portal user and a page of its
// own. What is exported changes with each test.
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach } from "node:test";
import { launch, open } from "./browser.js";
import { Company, EVERYTHING, PASSWORD } from "./company.js";
import { Server, until } from "./server.js";

/** How long a test may take. */
export const EACH = { timeout: 60_000 };

export let server;
let companies = 0;
export let company;
export let email;
export let browser;
export let page;
/** What the console complained of: nothing may. */
let complaints;

before(async () => {
  [server, browser] = await Promise.all([Server.start(), launch()]);
}, EACH);

after(async () => {
  await Promise.all([server.stop(), browser.close()]);
});

beforeEach(async () => {
  companies += 1;
  company = await Company.found(server);
  email = `cy${companies}@windows.example`;
  page = await open(browser, { viewport: { width: 1200, height: 800 } });
  complaints = [];
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (message) => {
    // What is cut or refused on purpose is told by the browser as well.
    const expected =
      /ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_INTERNET_DISCONNECTED|WebSocket connection|status of 4/;
    if (message.type() === "error" && !expected.test(message.text())) complaints.push(message.text());
  });
}, EACH);

afterEach(async () => {
  await page.context().close();
  assert.deepEqual(complaints, []);
});

export const live = () => page.getByText("Connection: Live").waitFor();
export const rows = () => page.locator("ul.leads > li");
export const row = (name) => rows().filter({ hasText: name });
export const titles = () => page.locator("ul.leads .title").allTextContents();
export const tab = (name) => page.locator(".tabs").getByText(name, { exact: true });
export const dialog = () => page.getByRole("dialog").last();
export const named = ({ first_name, last_name }) => `${first_name} ${last_name}`;
export const somebody = (number) => ({
  first_name: "Lead",
  last_name: String(number),
  email: `lead${number}@example.com`,
});

/** Looks whether the list has the first so many of these, each once. */
export async function eachOnce(count) {
  const numbers = (await titles()).map((title) => Number(title.replace("Lead ", "")));
  const sorted = numbers.toSorted((one, other) => one - other);
  assert.deepEqual(
    sorted,
    Array.from({ length: count }, (_, number) => number),
  );
}

/** Follows the mailed link, sets a password and is in. */
export async function enter(permissions = EVERYTHING) {
  await page.goto(await company.invite(email, "Cy Young", permissions));
  await page.getByLabel("New password").fill(PASSWORD);
  await page.getByRole("button", { name: "Set the password" }).click();
}

export async function enterAndSee(...people) {
  await company.submit(...people);
  await enter();
  await live();
  await until("the leads", async () => (await rows().count()) === people.length);
}

export async function giveReason(text, button) {
  await dialog().getByLabel("Reason").fill(text);
  await dialog().getByRole("button", { name: button, exact: true }).click();
}

/** Does something as a colleague, in a browser of their own. */
export async function asColleague(work) {
  const mine = { page, email };
  try {
    email = `bo${companies}@windows.example`;
    page = await open(browser);
    await enter();
    await live();
    await work();
  } finally {
    await page.context().close();
    ({ page, email } = mine);
  }
}
