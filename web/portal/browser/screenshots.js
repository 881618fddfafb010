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
  await page.evaluate(() => document.activeElement.blur());
  await shoot(page, "portal-phone");
} finally {
  await browser.close();
  await server.stop();
}
