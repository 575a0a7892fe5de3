import { AxeBuilder } from "@axe-core/playwright";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";

/** Debian's. Its own sandbox needs what containers do not give to root. */
const CHROMIUM = "/usr/bin/chromium";

export function startBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: CHROMIUM, args: process.getuid?.() === 0 ? ["--no-sandbox"] : [] });
}

export const DESK = { width: 1_280, height: 900 };
export const PHONE = { width: 390, height: 844 };

/**
 * What axe finds by the rules of WCAG 2.2 AA and its best practices, in light; in dark only what depends on colours, on
 * the same page. What is folded up is checked as well.
 */
export async function axeViolations(page: Page): Promise<string[]> {
  await page.evaluate('for (const each of document.querySelectorAll("details")) each.open = true');
  await page.emulateMedia({ colorScheme: "light" });
  // Pages have neither frames nor media nor styles of others, so nothing has to be fetched or put together.
  const axe = new AxeBuilder({ page }).setLegacyMode(true);
  const light = await axe.options({ resultTypes: ["violations"], preload: false }).analyze();
  await page.emulateMedia({ colorScheme: "dark" });
  // It is still there: to send it to the browser once more takes longer than the check.
  const dark = await page.evaluate<Pick<typeof light, "violations">>(
    `axe.run(document, ${JSON.stringify({ resultTypes: ["violations"], preload: false, runOnly: COLOURS })})`,
  );
  return [...light.violations, ...dark.violations].map(
    ({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 120)).join(" | ")}`,
  );
}

const COLOURS = ["color-contrast", "link-in-text-block"];

/** Errors of pages and of the policy; there must be none. */
export function watchErrors(context: BrowserContext): string[] {
  const found: string[] = [];
  context.on("weberror", (error) => found.push(error.error().message));
  context.on("console", (message) => {
    if (/Content Security Policy|Refused to|Uncaught/.test(message.text())) found.push(message.text());
  });
  return found;
}

/** How far the page is wider than the window: on a phone nothing may be. */
export function overflowPx(page: Page): Promise<number> {
  return page.evaluate<number>("document.documentElement.scrollWidth - document.documentElement.clientWidth");
}

/** What reaches beyond the right edge of its card or panel, though not of the window. */
export function outsideCards(page: Page): Promise<string[]> {
  return page.evaluate<string[]>(`[...document.querySelectorAll(":is(.card, .panel) *")]
    .filter((each) => each.checkVisibility() && !each.closest(".visually-hidden, svg") &&
      each.getBoundingClientRect().right > each.closest(".card, .panel").getBoundingClientRect().right + 1)
    .map((each) => each.tagName + ": " + each.textContent.trim().slice(0, 60))`);
}
