import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { signInLink } from "../../src/compose/index.ts";
import { freePort } from "../support/freePort.ts";
import { sighting } from "../support/model/facts.ts";
import { type Haproxy, startHaproxy } from "../support/servers/haproxy.ts";
import { type RenewdProcess, startRenewd } from "../support/system/renewd.ts";
import { type System, startSystem } from "../support/system/system.ts";
import {
  axeViolations,
  DESK,
  outsideCards,
  overflowPx,
  PHONE,
  startBrowser,
  watchErrors,
} from "../support/web/browser.ts";

/** Longer than a phone is wide, without a space. */
const LONG = "long-label-of-a-stranger.".repeat(8);
const FOUND = sighting({ issuer: `CN=${LONG}`, names: [`${LONG}example.org`] }, { place: `/etc/${LONG}pem` });

/** A promise that htmx has run and everything that it had put off as well. */
const htmxHasRun = `new Promise((done) => {
  const look = () => (typeof htmx === "object" ? setTimeout(done) : setTimeout(look, 10));
  look();
})`;

const PAGES = [
  ...["/", "/certificates", "/history", "/history?view=events", "/calendar", "/endpoints", "/targets"],
  ...[
    "/issuers",
    "/replacements",
    "/alerts",
    "/report",
    "/certificates/shop",
    "/processes",
    "/targets/lb",
    "/issuers/ca",
  ],
  ...[
    "/actions/check-target?target=lb",
    "/actions/audit",
    "/actions/pause?certificate=shop",
    "/actions/replace",
    "/certificates/none",
    "/inventory",
    `/inventory/${FOUND.certificate.fingerprint}`,
  ],
];

let haproxy: Haproxy;
let system: System;
let renewd: RenewdProcess;
let browser: Browser;
let origin: string;

/**
 * A CA, an HAProxy, `renewd run` with all roles, and Chromium: one certificate is well, the other fails at its target.
 */
beforeAll(async () => {
  haproxy = await startHaproxy();
  const port = await freePort();
  origin = `http://127.0.0.1:${port}`;
  const at = (name: string, target: string) => ({
    names: [`${name}.example.org`],
    targets: [target],
    endpoints: [{ host: "127.0.0.1", port: haproxy.port, sni: `${name}.example.org` }],
  });
  const target = { type: "haproxy", file: `${haproxy.directory}/{certificate}.pem` };
  system = await startSystem({
    targets: {
      lb: { ...target, socket: haproxy.socket },
      broken: { ...target, socket: `${haproxy.directory}/none.sock` },
    },
    certificates: { shop: at("shop", "lb"), pay: at("pay", "broken") },
    sections: { web: { port }, retry: { deployAttempts: 1, backoff: ["60s"] } },
  });
  await system.store.inventory.record([FOUND], Date.now());
  renewd = startRenewd(["run", "--yes", "--config", system.configFile]);
  await system.ended("shop", 90_000);
  await system.event("deploy.failed", "pay");
  browser = await startBrowser();
}, 180_000);

afterAll(async () => {
  await browser?.close();
  await renewd?.stop();
  await system?.[Symbol.asyncDispose]();
  await haproxy?.[Symbol.asyncDispose]();
}, 60_000);

async function signedIn(
  options: Parameters<Browser["newContext"]>[0] = {},
): Promise<{ context: BrowserContext; page: Page; errors: string[] }> {
  const context = await browser.newContext({ viewport: DESK, ...options });
  const errors = watchErrors(context);
  const page = await context.newPage();
  await page.goto(await signInLink(system.app, "alice@desk"));
  expect(new URL(page.url()).pathname).toBe("/");
  return { context, page, errors };
}

describe("pages in Chromium", () => {
  test("have no fault that axe finds, in light or dark, nor break their own policy", { timeout: 180_000 }, async () => {
    const { context, page, errors } = await signedIn();
    context.on("response", (response) => {
      if (response.status() >= 400 && !response.request().isNavigationRequest()) errors.push(response.url());
    });
    for (const path of PAGES) {
      await page.goto(`${origin}${path}`);
      expect(await axeViolations(page), path).toEqual([]);
      expect(await page.title(), path).toContain("renewd");
    }
    await page.goto(`${origin}/history`);
    await page.locator("table.renewals a").first().click();
    expect(await axeViolations(page), "a renewal").toEqual([]);
    expect(errors).toEqual([]);
    await context.close();
  });

  test("fit a phone, where the pager leads to the button in three taps", { timeout: 120_000 }, async () => {
    const { context, page } = await signedIn({ viewport: PHONE, hasTouch: true, isMobile: true });
    for (const path of PAGES) {
      await page.goto(`${origin}${path}`);
      expect(await overflowPx(page), path).toBeLessThanOrEqual(0);
      expect(await outsideCards(page), path).toEqual([]);
    }
    await page.goto(`${origin}/history`);
    await page.locator("table.renewals a").first().tap();
    await page.waitForURL("**/renewals/*");
    expect(await outsideCards(page), "a renewal").toEqual([]);
    await page.goto(`${origin}/certificates`);
    await page.getByRole("link", { name: "Expires", exact: true }).tap();
    await page.waitForURL("**sort=expires*");
    await page.goto(origin);
    await page.getByRole("link", { name: "Its renewal" }).first().tap();
    await page
      .getByRole("link", { name: "Try again now" })
      .or(page.getByRole("link", { name: "Renew again" }))
      .first()
      .tap();
    await page.getByRole("heading", { level: 1, name: /Try again now|Renew now/ }).waitFor();
    expect(await page.getByRole("button", { name: /^(Try again|Renew)$/ }).isVisible()).toBe(true);
    await context.close();
  });

  test("work by keyboard alone: skip link, search, order, and a form", { timeout: 60_000 }, async () => {
    const { context, page } = await signedIn();
    await page.goto(`${origin}/certificates`);
    await page.keyboard.press("Tab");
    expect(await page.evaluate("document.activeElement.textContent")).toBe("Skip to content");
    await page.keyboard.press("/");
    await page.keyboard.type("shop");
    await page.keyboard.press("Enter");
    await page.waitForURL("**/certificates?q=shop*");
    expect(await page.locator("tbody tr").count()).toBe(1);
    await page.getByRole("link", { name: "Expires", exact: true }).focus();
    await page.keyboard.press("Enter");
    await page.waitForURL("**sort=expires*");
    expect(await page.locator('th[aria-sort="ascending"]').textContent()).toContain("Expires");
    expect(page.url()).toContain("q=shop");
    await context.close();
  });

  test("work without JavaScript, an action included", { timeout: 60_000 }, async () => {
    const { context, page } = await signedIn({ javaScriptEnabled: false });
    await page.goto(`${origin}/certificates?state=provedLive`);
    await page.getByRole("checkbox", { name: "Select shop" }).check();
    await page.getByRole("button", { name: "Pause", exact: true }).click();
    await page.getByLabel("Reason").fill("a test without scripts");
    await page.getByLabel("Until").fill("1h");
    await page.getByRole("button", { name: "Pause" }).click();
    expect(await page.locator("main").textContent()).toContain("is paused until");
    expect((await system.store.certificates.get("shop"))?.pausedReason).toBe("a test without scripts");
    await page.getByRole("link", { name: "Back" }).click();
    expect(new URL(page.url()).search).toBe("?state=provedLive");
    await page.goto(`${origin}/actions/resume?certificate=shop`);
    await page.getByRole("button", { name: "Resume" }).click();
    await context.close();
  });

  test("show a renewal that was asked for in the page, live from the reason to the proof", {
    timeout: 120_000,
  }, async () => {
    const { context, page, errors } = await signedIn();
    const watching = await context.newPage();
    await watching.goto(`${origin}/history?q=name:shop`);
    const before = await watching.locator("tbody tr").count();
    await page.goto(`${origin}/certificates/shop`);
    await page.getByRole("link", { name: "Renew", exact: true }).click();
    await page.getByLabel("Issue a new certificate even where nothing is due").check();
    await page.getByLabel("Reason").fill("shown to a customer");
    await page.getByRole("button", { name: "Renew" }).click();
    expect(await page.locator("main").textContent()).toContain("its renewal has started");
    await page.getByRole("link", { name: "follow its renewal" }).click();
    // Nobody reloads: both pages load themselves.
    await page.locator("h1 + .verdict", { hasText: "succeeded" }).waitFor({ timeout: 90_000 });
    await expect.poll(() => watching.locator("tbody tr").count(), { timeout: 30_000 }).toBe(before + 1);
    expect(await page.locator("main").textContent()).toContain("shown to a customer");
    expect(errors).toEqual([]);
    await context.close();
  });

  test("are live also where a script comes late", { timeout: 60_000 }, async () => {
    const { context, page } = await signedIn();
    await page.route("**/assets/hx-sse.js*", async (route) => {
      // One evaluation that looks again by itself: what Playwright polls with, the page's own policy refuses.
      await page.evaluate(htmxHasRun);
      await route.continue();
    });
    await page.goto(`${origin}/history`, { waitUntil: "commit" });
    await page.locator("#live-state", { hasText: "live" }).waitFor();
    await context.close();
  });

  test("left open ask again for what a busy renewd did not answer", { timeout: 60_000 }, async () => {
    const { context, page } = await signedIn();
    await page.goto(`${origin}/certificates/shop`);
    await page.locator("#live-state", { hasText: "live" }).waitFor();
    const answers: number[] = [];
    await page.route("**/certificates/shop", async (route) => {
      if (answers.push(503) === 1) return route.fulfill({ status: 503, headers: { "retry-after": "1" }, body: "busy" });
      return route.continue();
    });
    await system.store.events.append({
      ...{ at: Date.now(), type: "certificate.rehearsed", certificate: "shop", renewalId: null, target: null },
      detail: { passed: true },
    });
    await expect.poll(() => answers.length, { timeout: 30_000 }).toBeGreaterThan(1);
    await page.getByRole("link", { name: "Pause", exact: true }).waitFor();
    await context.close();
  });

  test("left open over a restart are live again, and a form sent meanwhile is not lost", {
    timeout: 120_000,
  }, async () => {
    const { context, page } = await signedIn();
    await page.goto(`${origin}/certificates/shop`);
    await page.locator("#live-state", { hasText: "live" }).waitFor();
    await page.evaluate("document.body.setAttribute('data-same-page', 'yes')");
    const readAt = (): Promise<string | null> => page.locator("footer time").getAttribute("datetime");
    const before = await readAt();
    await page.setViewportSize(PHONE);
    await renewd.stop();
    await page.locator("footer.away", { hasText: "not live" }).waitFor({ timeout: 60_000 });
    const { y, height } = (await page.locator("footer").boundingBox()) ?? expect.unreachable();
    expect(y + height).toBeLessThanOrEqual(PHONE.height);
    renewd = startRenewd(["run", "--yes", "--config", system.configFile]);
    await system.store.events.append({
      ...{ at: Date.now(), type: "certificate.rehearsed", certificate: "shop", renewalId: null, target: null },
      detail: { passed: true },
    });
    await page.locator("#live-state", { hasText: /^live/ }).waitFor({ timeout: 60_000 });
    expect(await page.locator("footer.away").count()).toBe(0);
    // It loads itself again: a click meanwhile would meet a page that is being replaced.
    await expect.poll(readAt, { timeout: 30_000 }).not.toBe(before);
    // The session outlives the process, and so does the page.
    expect(await page.locator('body[data-same-page="yes"]').count()).toBe(1);
    await page.getByRole("link", { name: "Pause", exact: true }).click();
    await page.getByLabel("Reason").fill("after the restart");
    await page.getByRole("button", { name: "Pause" }).click();
    expect(await page.locator("main").textContent()).toContain("is paused until it is resumed");
    await context.close();
  });

  test("of a session that has ended show nothing of it, once anything happens", { timeout: 60_000 }, async () => {
    const { context, page } = await signedIn();
    await page.goto(`${origin}/certificates`);
    await page.locator("#live-state", { hasText: "live" }).waitFor();
    const other = await context.newPage();
    await other.goto(origin);
    await other.getByRole("button", { name: "Sign out" }).click();
    await other.getByRole("heading", { name: "Who asks is not known" }).waitFor();
    await system.store.events.append({
      ...{ at: Date.now(), type: "certificate.rehearsed", certificate: "shop", renewalId: null, target: null },
      detail: { passed: true },
    });
    await page.getByRole("heading", { name: "Who asks is not known" }).waitFor();
    expect(await page.getByText("signed in as").count()).toBe(0);
    await context.close();
  });
});
