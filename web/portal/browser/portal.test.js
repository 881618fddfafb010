// The page for partners in a real browser, against the real server.
//
// Each test has a company, a portal user and a browser's context of its own, on one server.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { launch, open } from "./browser.js";
import { Company, EVERYTHING, PASSWORD } from "./company.js";
import { PEOPLE } from "./people.js";
import { Server, until } from "./server.js";

const BEFORE = { timeout: 30_000 };
const EACH = { timeout: 30_000 };

let server;
let companies = 0;
let company;
let email;
let browser;
let page;
/** What the console complained of: nothing may. */
let complaints;

before(async () => {
  [server, browser] = await Promise.all([Server.start(), launch()]);
}, BEFORE);

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
    const expected = /ERR_CONNECTION_REFUSED|ERR_INTERNET_DISCONNECTED|WebSocket connection|status of 4/;
    if (message.type() === "error" && !expected.test(message.text())) complaints.push(message.text());
  });
}, BEFORE);

afterEach(async () => {
  await page.context().close();
  assert.deepEqual(complaints, []);
});

const live = () => page.getByText("Connection: Live").waitFor();
const rows = () => page.locator("ul.leads > li");
const row = (name) => rows().filter({ hasText: name });
const titles = () => page.locator("ul.leads .title").allTextContents();
const tab = (name) => page.locator(".tabs").getByText(name, { exact: true });
const dialog = () => page.getByRole("dialog").last();
const named = ({ first_name, last_name }) => `${first_name} ${last_name}`;
const somebody = (number) => ({ first_name: "Lead", last_name: String(number), email: `lead${number}@example.com` });

/** Looks whether the list has the first so many of these, each once. */
async function eachOnce(count) {
  const numbers = (await titles()).map((title) => Number(title.replace("Lead ", "")));
  const sorted = numbers.toSorted((one, other) => one - other);
  assert.deepEqual(
    sorted,
    Array.from({ length: count }, (_, number) => number),
  );
}

/** Follows the mailed link, sets a password and is in. */
async function enter(permissions = EVERYTHING) {
  await page.goto(await company.invite(email, "Cy Young", permissions));
  await page.getByLabel("New password").fill(PASSWORD);
  await page.getByRole("button", { name: "Set the password" }).click();
}

async function enterAndSee(...people) {
  await company.submit(...people);
  await enter();
  await live();
  await until("the leads", async () => (await rows().count()) === people.length);
}

async function giveReason(text, button) {
  await dialog().getByLabel("Reason").fill(text);
  await dialog().getByRole("button", { name: button, exact: true }).click();
}

describe("coming in", () => {
  it("takes the token of a mailed link out of the address, once, and lets in with the password", EACH, async () => {
    const link = await company.invite(email, "Cy Young");
    await page.goto(link);
    assert.equal(page.url(), `${server.url}/portal/`);
    await page.getByLabel("New password").fill("short");
    await page.getByRole("button", { name: "Set the password" }).click();
    await page.getByText("at least 10 characters", { exact: false }).last().waitFor();
    await page.getByLabel("New password").fill(PASSWORD);
    await page.getByRole("button", { name: "Set the password" }).click();
    await live();
    await page.getByText("No leads yet").waitFor();

    await page.getByRole("button", { name: "Log out" }).click();
    await page.getByText("You are logged out.").waitFor();
    await page.goto(link);
    await page.getByLabel("New password").fill("another good phrase");
    await page.getByRole("button", { name: "Set the password" }).click();
    await page.getByRole("alert").getByText("used already").waitFor();

    await page.goto(`${server.url}/portal`);
    await page.getByLabel("Email").fill(email);
    await page.getByLabel("Password").fill("not the password");
    await page.getByRole("button", { name: "Log in" }).click();
    await page.getByRole("alert").locator("p").waitFor();
    await page.getByLabel("Password").fill(PASSWORD);
    await page.getByRole("button", { name: "Log in" }).click();
    await live();
    await page.reload();
    await live();
  });

  it("sends a link for a forgotten password, which works", EACH, async () => {
    await enter();
    await live();
    await page.getByRole("button", { name: "Log out" }).click();
    await page.getByRole("button", { name: "Forgot your password?" }).click();
    const known = server.mailbox.mails.length;
    await page.getByLabel("Email").fill(email);
    await page.getByRole("button", { name: "Send the link" }).click();
    await page.getByText("a link is on its way").waitFor();
    await until("another mail", () => server.mailbox.mails.length > known);
    await page.goto(await server.mailbox.link(email));
    await page.getByLabel("New password").fill("an even better phrase");
    await page.getByRole("button", { name: "Set the password" }).click();
    await live();
  });

  it("keeps a session for all tabs if asked to, and ends it in all of them", EACH, async () => {
    await page.goto(await company.invite(email, "Cy Young"));
    await page.getByLabel("New password").fill(PASSWORD);
    await page.getByLabel("Keep me logged in").check();
    await page.getByRole("button", { name: "Set the password" }).click();
    await live();
    const other = await page.context().newPage();
    await other.goto(`${server.url}/portal/`);
    await other.getByText("Connection: Live").waitFor();
    await other.getByRole("button", { name: "Log out" }).click();
    await page.getByText("logged out in another tab").waitFor();
  });

  it("renews a token that has ended without asking anybody", EACH, async () => {
    await enterAndSee(PEOPLE[0]);
    await page.evaluate(() => {
      const session = JSON.parse(sessionStorage.getItem("leadmesh-portal-session"));
      sessionStorage.setItem("leadmesh-portal-session", JSON.stringify({ ...session, access: "no token", until: 0 }));
    });
    await tab("Accepted").click();
    await page.getByText("No leads here").waitFor();
    await page.reload();
    await live();
    assert.deepEqual(await titles(), [named(PEOPLE[0])]);
  });

  it("shows people what they may do, and what they may not", EACH, async () => {
    await company.submit(PEOPLE[0]);
    await enter(["VIEW_LEADS"]);
    await live();
    await row("Maya").waitFor();
    assert.equal(await page.getByRole("button", { name: "Accept" }).count(), 0);
    assert.equal(await page.getByRole("button", { name: "CSV" }).count(), 0);
    assert.equal(await page.getByRole("checkbox").count(), 0);
  });
});

describe("the feed", () => {
  it("grows by itself, says so aloud, and shows what strangers typed as text", EACH, async () => {
    await enter();
    await live();
    await page.getByText("No leads yet").waitFor();
    await company.submit(PEOPLE[0], {
      first_name: "<img src=x onerror=document.title='owned'>",
      last_name: "</li><script>document.title='owned'</script>",
      website: 'http://ok.example/?q="><b>',
      message: 'javascript:alert(1) {{7*7}} ${7*7} =HYPERLINK("x")',
    });
    await until("both leads", async () => (await rows().count()) === 2);
    await page.locator("[aria-live=polite]").getByText("2 new leads").waitFor();
    await rows().first().locator(".title").click();
    await dialog().getByText("javascript:alert(1) {{7*7}} ${7*7}").waitFor();
    assert.equal(await dialog().locator("img, script, b").count(), 0);
    const addresses = await dialog()
      .locator("a")
      .evaluateAll((links) => links.map(({ href }) => href));
    assert.ok(
      addresses.every((address) => /^(https?|tel|mailto):/.test(address)),
      addresses.join(),
    );
    assert.doesNotMatch(await page.title(), /owned/);
  });

  it("keeps up with what a colleague does", EACH, async () => {
    await enterAndSee(PEOPLE[0], PEOPLE[1]);
    const first = { page, email };
    try {
      email = `bo${companies}@windows.example`;
      page = await open(browser);
      await enter();
      await live();
      await row("Maya").getByRole("button", { name: "Accept" }).click();
      await row("Maya").getByText("Accepted").waitFor();
      await first.page.locator("ul.leads > li").filter({ hasText: "Maya" }).getByText("Accepted").waitFor();
    } finally {
      await page.context().close();
      ({ page, email } = first);
    }
  });

  it("loads older leads, and each only once", EACH, async () => {
    await enterAndSee();
    await company.submitAtOnce(Array.from({ length: 60 }, (_, number) => somebody(number)));
    await until("all by the stream", async () => (await rows().count()) === 60);
    await page.reload();
    await live();
    await until("one page", async () => (await rows().count()) === 50);
    await company.submit(somebody(60));
    await until("the new one", async () => (await rows().count()) === 51);
    await page.getByRole("button", { name: "Load older" }).click();
    await page.getByText("These are all.").waitFor();
    assert.equal((await titles())[0], "Lead 60");
    await eachOnce(61);
  });

  it("misses nothing and doubles nothing when the server is killed, and when the network is gone", EACH, async () => {
    await enterAndSee(somebody(0));
    await server.kill();
    await page.getByText("Connection: Reconnecting…").waitFor();
    await server.run();
    await company.submit(somebody(1), somebody(2));
    await live();
    await until("three leads", async () => (await rows().count()) === 3);

    await page.context().setOffline(true);
    await page.getByText("Connection: Offline").waitFor();
    await company.submitAtOnce(Array.from({ length: 5 }, (_, number) => somebody(3 + number)));
    await page.context().setOffline(false);
    await live();
    await company.submit(somebody(8));
    await until("nine leads", async () => (await rows().count()) === 9);
    assert.equal((await titles())[0], "Lead 8");
    await eachOnce(9);
  });

  it("narrows by status, search and day, also for what comes meanwhile", EACH, async () => {
    await enterAndSee(...PEOPLE.slice(0, 3));
    await row("Maya").getByRole("button", { name: "Accept" }).click();
    await row("Maya").getByText("Accepted").waitFor();
    await tab("To review").click();
    await until("two to review", async () => (await rows().count()) === 2);
    await company.submit(PEOPLE[3]);
    await row("Samuel").waitFor();
    await row("Samuel").getByRole("button", { name: "Accept" }).click();
    await until("Samuel gone", async () => (await row("Samuel").count()) === 0);

    await tab("All").click();
    await page.getByRole("searchbox").fill("  MAYA.okafor@EXAMPLE.com");
    await page.keyboard.press("Enter");
    await until("one found", async () => (await titles()).join() === "Maya Okafor");
    await company.submit({ ...PEOPLE[4], email: PEOPLE[0].email }, PEOPLE[5]);
    await until("the one that fits", async () => (await titles()).join() === "Priya Raman,Maya Okafor");
    await page.getByRole("searchbox").fill("");
    await until("all again", async () => (await rows().count()) === 6);

    await page.getByLabel("When they came").selectOption("custom");
    await page.getByLabel("From", { exact: true }).fill("2020-01-01");
    await page.getByLabel("to", { exact: true }).fill("2020-01-31");
    await page.getByText("No leads here").waitFor();
    await page.getByRole("button", { name: "Show all leads" }).click();
    await until("all again", async () => (await rows().count()) === 6);
  });
});

describe("reviewing", () => {
  it("accepts, rejects with a reason, and asks for a return; the account sees it", EACH, async () => {
    await enterAndSee(PEOPLE[0], PEOPLE[1]);
    await row("Maya").locator(".title").click();
    assert.match(page.url(), /#lead\/dlv_/);
    await dialog().getByRole("button", { name: "Accept" }).click();
    await dialog().getByText("Accepted by Cy Young").waitFor();
    await dialog().getByRole("button", { name: "Ask for a return" }).click();
    await giveReason("The number\nis not in use.", "Ask for the return");
    await dialog().getByText("“The number is not in use.”").waitFor();
    await page.keyboard.press("Escape");
    await row("Maya").getByText("Return asked").waitFor();

    await row("Tomás").getByRole("button", { name: "Reject" }).click();
    await dialog().getByRole("button", { name: "Reject", exact: true }).click();
    await dialog().getByText("Please say why.").waitFor();
    await giveReason("Too far from our crews.", "Reject");
    await row("Tomás").getByText("Rejected").waitFor();

    const reviews = await company.reviews();
    assert.deepEqual([reviews.Maya.status, reviews.Maya.reason], ["RETURN_REQUESTED", "The number is not in use."]);
    assert.deepEqual(
      [reviews["Tomás"].status, reviews["Tomás"].by, reviews["Tomás"].reason],
      ["REJECTED", "Cy Young", "Too far from our crews."],
    );
    await page.locator(".figures dl > div").filter({ hasText: "Rejected" }).getByText("1").waitFor();
  });

  it("accepts and rejects several at once, more than the server takes in one call", EACH, async () => {
    await enterAndSee();
    await company.submitAtOnce(Array.from({ length: 104 }, (_, number) => somebody(number)));
    await until("all", async () => (await rows().count()) === 104);
    await row("Lead 7").first().getByRole("checkbox").check();
    await row("Lead 9").first().getByRole("checkbox").check();
    await page.getByRole("button", { name: "Reject…" }).click();
    await giveReason("Twice the same.", "Reject");
    await until("two rejected", async () => (await rows().getByText("Rejected").count()) === 2);
    await page.getByLabel("Select all that wait").check();
    await page.getByText("102 leads selected").waitFor();
    await page.getByRole("region", { name: "Selected" }).getByRole("button", { name: "Accept" }).click();
    await until("all accepted", async () => (await rows().getByText("Accepted").count()) === 102);
    assert.equal(await page.getByRole("region", { name: "Selected" }).count(), 0);
  });

  it("tells who was faster", EACH, async () => {
    await enterAndSee(PEOPLE[0]);
    // This page is not told of it before it tries.
    await page.evaluate(() => {
      window.WebSocket.prototype.send = () => undefined;
    });
    await page.route("**/graphql", async (route) => {
      const query = route.request().postData() ?? "";
      if (query.includes("acceptPortalLeads")) await reject();
      await route.continue();
    });
    const reject = async () => {
      const session = await page.evaluate(() => JSON.parse(sessionStorage.getItem("leadmesh-portal-session")));
      const id = await rows().first().getAttribute("data-lead");
      const query =
        "mutation($input: ReviewPortalLeadsInput!) { rejectPortalLeads(input: $input) { userErrors { message } } }";
      await server.ask(query, { input: { ids: [id], reason: "first" } }, session.access);
    };
    await row("Maya").getByRole("button", { name: "Accept" }).click();
    await page.getByRole("alert").getByText("has rejected this lead already").waitFor();
  });

  it("downloads what the list shows as CSV", EACH, async () => {
    await enterAndSee(PEOPLE[0], { ...PEOPLE[1], message: '=HYPERLINK("x"), and "quotes"' });
    const download = async () => {
      const started = page.waitForEvent("download");
      await page.getByRole("button", { name: "CSV" }).click();
      const file = await started;
      assert.match(file.suggestedFilename(), /^leads-\d{4}-\d\d-\d\d\.csv$/);
      return await readFile(await file.path(), "utf8");
    };
    const all = await download();
    assert.match(all, /ZIP code/);
    assert.match(all, /Maya/);
    assert.match(all, /"'=HYPERLINK\(""x""\), and ""quotes"""/);
    await row("Maya").getByRole("button", { name: "Accept" }).click();
    await row("Maya").getByText("Accepted").waitFor();
    await tab("Accepted").click();
    await until("one accepted", async () => (await rows().count()) === 1);
    const accepted = await download();
    assert.match(accepted, /Maya/);
    assert.doesNotMatch(accepted, /Rivera/);
  });
});

describe("everybody", () => {
  it("can do it all with the keyboard, and sees where they are", EACH, async () => {
    await enterAndSee(PEOPLE[0], PEOPLE[1]);
    await page.reload();
    await live();
    const press = (...keys) =>
      keys.reduce((before, key) => before.then(() => page.keyboard.press(key)), Promise.resolve());
    const focused = () =>
      page.evaluate(() => {
        const element = document.activeElement;
        const { outlineStyle } = getComputedStyle(
          element.matches(".tabs input") ? element.nextElementSibling : element,
        );
        return { name: element.textContent || element.getAttribute("aria-label") || element.type, outlineStyle };
      });
    await press("Tab");
    assert.match((await focused()).name, /Skip to the leads/);
    await press("Tab", "Tab", "Tab", "Tab");
    assert.deepEqual(await focused(), { name: "radio", outlineStyle: "solid" });
    await press("ArrowRight");
    await until("those to review", () => page.getByLabel("To review").isChecked());
    await until("the list", async () => (await rows().count()) === 2);
    await press("Shift+Tab", "Shift+Tab", "Shift+Tab", "Shift+Tab", "Enter", "Tab", "Tab");
    assert.equal((await focused()).name, "checkbox");
    await press("Tab");
    assert.deepEqual(await focused(), { name: "Tomás Rivera", outlineStyle: "solid" });
    await press("Enter");
    await dialog().getByRole("button", { name: "Accept" }).waitFor();
    for (let step = 0; step < 8; step += 1) {
      await press("Tab");
      const behind = await page.evaluate(() => document.activeElement.matches("#page :not(dialog, dialog *)"));
      assert.ok(!behind, "the focus stays in the dialog");
    }
    await press("Escape");
    assert.equal((await focused()).name, "Tomás Rivera");
    await press("Tab", "Enter");
    await until("Tomás gone", async () => (await rows().count()) === 1);
    await until("the focus on the next", async () => (await focused()).name === "Maya Okafor");
    await press("Tab", "Tab", "Enter");
    await dialog().getByLabel("Reason").waitFor();
    await page.keyboard.type("No crew there.");
    await press("Tab", "Tab", "Enter");
    await page.getByText("No leads here").waitFor();
    assert.equal((await company.reviews()).Maya.reason, "No crew there.");
  });

  it("can read it: axe finds nothing wrong, by day and by night", EACH, async () => {
    const check = async (place) => {
      for (const colorScheme of ["light", "dark"]) {
        await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
        const { violations } = await page.evaluate("axe.run()");
        const found = violations.flatMap(({ id, nodes }) =>
          nodes.map(({ html }) => `${place}, ${colorScheme}: ${id}: ${html}`),
        );
        assert.deepEqual(found, []);
      }
    };
    const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
    await page.goto(`${server.url}/portal/`);
    await page.evaluate(axe);
    await check("log-in");
    await enterAndSee(...PEOPLE.slice(0, 4), { first_name: "Test" });
    await row("Maya").getByRole("button", { name: "Accept" }).click();
    await row("Tomás").getByRole("button", { name: "Reject" }).click();
    await giveReason("Too far.", "Reject");
    await row("Ingrid").getByRole("checkbox").check();
    await page.evaluate(axe);
    await check("list");
    await row("Ingrid").locator(".title").click();
    await check("lead");
    await dialog().getByRole("button", { name: "Reject" }).click();
    await check("reason");
  });

  it("can use it on a small phone", EACH, async () => {
    await page.setViewportSize({ width: 360, height: 640 });
    await enterAndSee(...PEOPLE, { first_name: "Maximilian".repeat(8), message: "long".repeat(400) });
    const fits = () => page.evaluate(() => document.documentElement.scrollWidth <= innerWidth);
    assert.ok(await fits(), "the list fits");
    await rows().first().locator(".title").click();
    assert.ok(await fits(), "a lead fits");
    await dialog().getByRole("button", { name: "Close" }).click();
    await row("Maya").getByRole("checkbox").check();
    await row("Priya").getByRole("checkbox").check();
    assert.ok(await fits(), "the bar fits");
    await page.getByRole("region", { name: "Selected" }).getByRole("button", { name: "Accept" }).click();
    await until("two accepted", async () => (await rows().getByText("Accepted").count()) === 2);
    await row("Lucas").locator(".title").click();
    await dialog().getByRole("button", { name: "Reject" }).click();
    await giveReason("Too far.", "Reject");
    await dialog().getByText("Rejected by Cy Young").waitFor();
    await page.goBack();
    await until("the lead closed", async () => (await page.getByRole("dialog").count()) === 0);
    const small = await page
      .locator("button:visible, select:visible")
      .evaluateAll((elements) =>
        elements
          .filter((element) => !element.matches(".title, .link") && element.getBoundingClientRect().height < 40)
          .map((element) => element.textContent),
      );
    assert.deepEqual(small, [], "what is pressed is large enough");
  });

  it("can change their contact data and how leads reach them, if they may", EACH, async () => {
    await enter([...EVERYTHING, "EDIT_DELIVERY"]);
    await live();
    await page.getByRole("button", { name: "Account" }).click();
    await dialog().getByLabel("Phone").fill("+1 415 555 0199");
    await dialog().getByRole("button", { name: "Save the contact" }).click();
    await dialog().getByText("Saved.", { exact: true }).waitFor();
    await dialog().getByLabel("To your own system").check();
    await dialog().getByLabel("Address of the webhook").fill("https://hooks.windows.example/leads");
    await dialog().getByRole("button", { name: "Save the delivery" }).click();
    await dialog().getByText("whsec_").waitFor();
  });
});
