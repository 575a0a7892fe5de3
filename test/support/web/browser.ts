import { AxeBuilder } from "@axe-core/playwright";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";

/** Debian's. Its own sandbox needs what containers do not give to root. */
const CHROMIUM = "/usr/bin/chromium";

export function startBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: CHROMIUM, args: process.getuid?.() === 0 ? ["--no-sandbox"] : [] });
}

export const DESK = { width: 1_280, height: 900 };
export const PHONE = { width: 390, height: 844 };

/** What axe finds: rules of WCAG 2.2 AA and its best practices; of another colour scheme only what depends on colours. */
export async function axeViolations(page: Page, rules: "all" | "colours" = "all"): Promise<string[]> {
  const axe = new AxeBuilder({ page });
  const { violations } = await (rules === "all"
    ? axe
    : axe.withRules(["color-contrast", "link-in-text-block"])
  ).analyze();
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 120)).join(" | ")}`);
}

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
