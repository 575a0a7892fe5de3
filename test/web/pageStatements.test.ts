import { StatementSync } from "node:sqlite";
import { afterEach, expect, test, vi } from "vitest";
import { seedFleet } from "../support/system/seedFleet.ts";
import { createWebEstate } from "../support/system/webEstate.ts";

afterEach(() => vi.restoreAllMocks());

const KINDS = ["limited", "targetDown", "paused", "inFlight", "held", "expired", "notServed", "retrying"] as const;
const PAGES = [
  ...["/", "/certificates", "/certificates?state=provedLive&sort=-expires", "/certificates/c3", "/history"],
  ...["/history?q=target:lb", "/history?view=events", "/calendar", "/endpoints", "/targets", "/issuers"],
  ...["/replacements", "/alerts", "/report", "/metrics"],
  ...[
    "certificates",
    "renewals",
    "events",
    "deployments",
    "endpoints",
    "targets",
    "issuers",
    "alerts",
    "status",
    "plan",
  ].map((list) => `/api/v1/${list}`),
  ...["certificates", "history"].map((name) => `/api/v1/documents/${name}`),
];

/** What each page asks of the database, by path. */
async function statementsFor(certificates: number): Promise<Map<string, number>> {
  const names = Array.from({ length: certificates }, (_, index) => `c${index}`);
  await using estate = await createWebEstate({ names, planned: false });
  const now = Date.now();
  await seedFleet(estate.store, estate.web.estate().certificates, {
    ...{ now, past: 0 },
    // As much trouble as there is for a few is there for many, so that each question of one would show.
    kindOf: (index) => KINDS[index % KINDS.length] ?? "healthy",
  });
  // The first page reads the fleet, and the others find it as it is.
  vi.spyOn(estate.web.renewal.clock, "now").mockReturnValue(now);
  const spy = vi.spyOn(StatementSync.prototype, "iterate");
  const asked = new Map<string, number>();
  for (const path of PAGES) {
    spy.mockClear();
    const response = await estate.ask(path, { headers: { accept: "text/html" } });
    await response.text();
    expect(response.status, path).toBe(200);
    asked.set(path, spy.mock.calls.length);
  }
  vi.restoreAllMocks();
  return asked;
}

test("a page asks the database as often for 64 certificates in trouble as for eight", async () => {
  const few = await statementsFor(8);
  const many = await statementsFor(64);
  expect([...many]).toEqual([...few]);
  for (const [path, statements] of many) expect(statements, path).toBeLessThanOrEqual(60);
});
