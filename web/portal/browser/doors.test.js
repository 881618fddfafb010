import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { PASSWORD } from "./company.js";
import { PEOPLE } from "./people.js";
import { until } from "./server.js";
import { company, EACH, email, enter, enterAndSee, live, named, page, row, server, tab, titles } from "./world.js";

describe("coming in", () => {
  it("takes the token of a mailed link out of the address, once, and lets in with the password", EACH, async () => {
    const link = await company.invite(email, "Cy Young");
    await page.goto(link);
    const { partner } = Object.fromEntries(new URL(link).searchParams);
    assert.match(partner, /^ptnr_/);
    assert.equal(page.url(), `${server.url}/portal/?partner=${partner}`);
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

  it("puts out at once whoever is removed", EACH, async () => {
    await enter();
    await live();
    await company.remove(email);
    await page.getByText("Your session has ended. Please log in again.").waitFor();
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
