// Takes the pictures of the page that the documentation shows: node browser/screenshots.js [FOLDER]
import { mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { launch, open } from "./browser.js";
import { Company, PASSWORD } from "./company.js";
import { PEOPLE } from "./people.js";
import { Server } from "./server.js";

const folder = process.argv[2] ?? "../../docs/images";

async function enter(page, link) {
  await page.goto(link);
  await page.getByLabel("New password").fill(PASSWORD);
  await page.getByRole("button", { name: "Set the password" }).click();
  await page.getByText("Connection: Live").waitFor();
}

async function shoot(page, name) {
  const path = join(folder, `${name}.png`);
  await page.screenshot({ path, animations: "disabled" });
  console.log(`${path}: ${Math.ceil((await stat(path)).size / 1000)} kB`);
}

await mkdir(folder, { recursive: true });
const server = await Server.start();
const browser = await launch();
try {
  const company = await Company.found(server);
  await company.submit(...PEOPLE.slice(0, 7).reverse());
  const page = await open(browser, { viewport: { width: 1200, height: 780 } });
  await enter(page, await company.invite("cy@windows.example", "Cy Young"));
  const row = (name) => page.getByRole("listitem").filter({ hasText: name });
  for (const name of ["Ingrid", "Priya", "Hannah"]) {
    await row(name).getByRole("button", { name: "Accept" }).click();
    await row(name).getByText("Accepted").waitFor();
  }
  await row("Lucas").getByRole("button", { name: "Reject" }).click();
  await page.getByLabel("Reason").fill("Too far from our crews.");
  await page.getByRole("button", { name: "Reject", exact: true }).click();
  await row("Lucas").getByText("Rejected").waitFor();
  await page.waitForTimeout(1500);
  await page.mouse.move(5, 300);
  await shoot(page, "portal");
  await row("Maya").getByRole("button", { name: "Maya Okafor", exact: true }).click();
  await page.getByRole("dialog").waitFor();
  await shoot(page, "portal-lead");
  await page.keyboard.press("Escape");
  await page.setViewportSize({ width: 390, height: 780 });
  await shoot(page, "portal-phone");
  if (process.env.MORE) {
    await page.setViewportSize({ width: 360, height: 740 });
    await row("Maya").getByRole("checkbox").check();
    await row("Tomás").getByRole("checkbox").check();
    await shoot(page, "more-bulk-360");
    await page.getByRole("button", { name: "Reject" }).last().click();
    await shoot(page, "more-reject-360");
    await page.keyboard.press("Escape");
    await row("Maya").getByRole("button", { name: "Maya Okafor", exact: true }).click();
    await shoot(page, "more-lead-360");
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Account" }).click();
    await shoot(page, "more-account-360");
    await page.keyboard.press("Escape");
    await page.setViewportSize({ width: 1200, height: 780 });
    await page.emulateMedia({ colorScheme: "dark" });
    await shoot(page, "more-dark");
    await row("Maya").getByRole("button", { name: "Maya Okafor", exact: true }).click();
    await shoot(page, "more-dark-lead");
    await page.keyboard.press("Escape");
    await page.emulateMedia({ colorScheme: "light" });
    await page.getByRole("searchbox").fill("nobody@example.com");
    await page.keyboard.press("Enter");
    await page.getByText("No lead fits").waitFor();
    await shoot(page, "more-nothing");
    await server.kill();
    await page.getByText("Connection: Reconnecting…").waitFor();
    await page.getByText("Show all leads").click();
    await page.getByText("cannot be shown").waitFor();
    await shoot(page, "more-broken");
    await server.run();
    await page.getByRole("button", { name: "Log out" }).click();
    await shoot(page, "more-login");
    await page.setViewportSize({ width: 800, height: 780 });
    await page.goto(`${server.url}/portal/set-password?token=x`);
    await page.getByRole("heading").waitFor();
    await shoot(page, "more-set-password");
  }
} finally {
  await browser.close();
  await server.stop();
}
