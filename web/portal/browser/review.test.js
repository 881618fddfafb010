import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, it } from "node:test";
import { PEOPLE } from "./people.js";
import { until } from "./server.js";
import { company, dialog, EACH, enterAndSee, giveReason, page, row, rows, server, somebody, tab } from "./world.js";

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

  it("says of an erased lead that copies have to go, and asks for no review", EACH, async () => {
    await enterAndSee(PEOPLE[0]);
    await row("Maya").locator(".title").click();
    await dialog().getByRole("button", { name: "Accept" }).waitFor();
    await company.erase();
    await dialog().getByText("erase your copies").waitFor();
    assert.equal(
      await dialog()
        .getByRole("button", { name: /Accept|Reject/ })
        .count(),
      0,
    );
    await page.keyboard.press("Escape");
    await rows().getByText("Erased", { exact: true }).waitFor();
    assert.doesNotMatch(await rows().first().innerText(), /Maya|Okafor|Accept/);
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

    // Where the browser can write to a file, it is streamed into it.
    await page.evaluate(() => {
      window.saved = "";
      const text = new TextDecoder();
      const write = (bytes) => (window.saved += text.decode(bytes));
      const close = () => (window.saved += "\u0000");
      window.showSaveFilePicker = async () => ({ createWritable: async () => new WritableStream({ write, close }) });
    });
    await page.getByRole("button", { name: "CSV" }).click();
    await until("the file closed", () => page.evaluate(() => window.saved.endsWith("\u0000")));
    assert.equal(await page.evaluate(() => window.saved.replace("\u0000", "")), accepted);
  });
});
