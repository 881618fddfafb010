import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { PEOPLE } from "./people.js";
import { until } from "./server.js";
import {
  asColleague,
  company,
  dialog,
  EACH,
  eachOnce,
  email,
  enter,
  enterAndSee,
  live,
  page,
  row,
  rows,
  server,
  somebody,
  tab,
  titles,
} from "./world.js";

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
    // On a busy machine they may be told apart.
    await page
      .locator("[aria-live=polite]")
      .getByText(/^(2 new leads|New lead: )/)
      .waitFor();
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
    await asColleague(async () => {
      await row("Maya").getByRole("button", { name: "Accept" }).click();
      await row("Maya").getByText("Accepted").waitFor();
    });
    await row("Maya").getByText("Accepted").waitFor();
  });

  it("loads older leads, and each only once", EACH, async () => {
    await enterAndSee();
    await company.submitAtOnce(Array.from({ length: 60 }, (_, number) => somebody(number)));
    await until("all by the stream", async () => (await rows().count()) === 60);
    await page.locator(".figures dl > div").filter({ hasText: "To review" }).getByText("60").waitFor();
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

  it("takes server-sent events where WebSocket does not get through", EACH, async () => {
    await page.addInitScript(() => {
      window.WebSocket = class extends WebSocket {
        constructor(url, protocol) {
          super(`${url}/blocked`, protocol);
        }
      };
    });
    await enterAndSee(somebody(0));
    await company.submit(somebody(1));
    await until("the new one", async () => (await rows().count()) === 2);
    await server.kill();
    await page.getByText("Connection: Reconnecting…").waitFor();
    await server.run();
    await company.submit(somebody(2));
    await live();
    await until("three leads", async () => (await rows().count()) === 3);
    await eachOnce(3);
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
