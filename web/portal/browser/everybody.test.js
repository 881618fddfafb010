import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { describe, it } from "node:test";
import { EVERYTHING } from "./company.js";
import { PEOPLE } from "./people.js";
import { until } from "./server.js";
import {
  company,
  dialog,
  EACH,
  email,
  enter,
  enterAndSee,
  giveReason,
  live,
  page,
  row,
  rows,
  server,
} from "./world.js";

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
    await until("the focus back", async () => (await focused()).name === "Tomás Rivera");
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
    const open = () => page.getByRole("button", { name: "Account" }).click();
    const save = () => dialog().getByRole("button", { name: "Save the delivery" }).click();
    const url = dialog().getByLabel("Address of the webhook");
    const hook = "https://hooks.windows.example/leads?for=us";
    await open();
    await dialog().getByLabel("Phone").fill("+1 415 555 0199");
    await dialog().getByRole("button", { name: "Save the contact" }).click();
    await dialog().getByText("Saved.", { exact: true }).waitFor();
    assert.equal((await company.person(email)).phone, "+1 415 555 0199");
    assert.ok(await dialog().getByLabel("On this page").isChecked());
    await dialog().getByLabel("To your own system").check();
    await url.fill(hook);
    await save();
    await dialog().getByText("whsec_").waitFor();
    assert.deepEqual(await company.delivery(), { url: hook });

    await dialog().getByRole("button", { name: "Close" }).click();
    await open();
    await until("the present way", async () => (await url.count()) === 1 && (await url.inputValue()) === hook);
    assert.ok(await dialog().getByLabel("To your own system").isChecked());
    await save();
    await dialog().getByText("This is how they reach you already.").waitFor();
    assert.deepEqual(await company.delivery(), { url: hook }, "opening and saving changes nothing");
    await dialog().getByLabel("By mail").check();
    await dialog().getByLabel("Addresses").fill("office@windows.example, cy@windows.example");
    await save();
    await dialog().getByText("mail server").waitFor();
    assert.deepEqual(await company.delivery(), { url: hook }, "mails that could not be sent are refused");
    await company.hasMailServer();
    await save();
    await dialog().getByText("The next leads come this way.").waitFor();
    assert.deepEqual(await company.delivery(), { recipients: ["office@windows.example", "cy@windows.example"] });
  });
});
