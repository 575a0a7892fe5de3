import { StatementSync } from "node:sqlite";
import { afterEach, expect, test, vi } from "vitest";
import { seedFleet } from "../support/system/seedFleet.ts";
import { createWebEstate } from "../support/system/webEstate.ts";

afterEach(() => vi.restoreAllMocks());

/** Reading the fleet again and the page's own questions; one question per certificate would be 150. */
const STATEMENTS_MAX = 75;

const PAGES = [
  ...[
    "/",
    "/certificates",
    "/certificates?state=provedLive&sort=-expires",
    "/certificates/c3",
    "/history",
    "/calendar",
  ],
  ...["/history?view=events", "/endpoints", "/targets", "/issuers", "/replacements", "/alerts", "/report"],
];

test("a page asks the database as much for 150 certificates as for a few", async () => {
  const names = Array.from({ length: 150 }, (_, index) => `c${index}`);
  await using estate = await createWebEstate({ names, planned: false });
  await seedFleet(estate.store, estate.web.estate().certificates, {
    now: Date.now(),
    past: 0,
    kindOf: () => "healthy",
  });
  const spy = vi.spyOn(StatementSync.prototype, "all");
  for (const path of PAGES) {
    spy.mockClear();
    const response = await estate.ask(path, { headers: { accept: "text/html" } });
    expect(response.status, path).toBe(200);
    expect(spy.mock.calls.length, path).toBeLessThanOrEqual(STATEMENTS_MAX);
    expect(await response.text(), path).toContain("</html>");
  }
});
