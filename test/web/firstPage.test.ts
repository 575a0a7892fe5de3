import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, expect, test } from "vitest";
import { checkFleet } from "../../src/compose/checkFleet.ts";
import { packageVersion } from "../../src/compose/packageVersion.ts";
import { unlimited } from "../../src/domain/budget.ts";
import type { StatusReport } from "../../src/reports/status.ts";
import { applyFile } from "../support/system/appliedConfiguration.ts";
import { seedFleet } from "../support/system/seedFleet.ts";
import { createWebEstate, type WebEstate } from "../support/system/webEstate.ts";

/** More than a page waits for. */
const SIZE = 520;
const HTML = { headers: { accept: "text/html" } };
const KINDS = ["targetDown", "inFlight", "expired", "paused"] as const;

let estate: WebEstate;
beforeEach(async () => {
  estate = await createWebEstate({ names: Array.from({ length: SIZE }, (_, index) => `c${index}`), planned: false });
  const { web, store, installation } = estate;
  await seedFleet(store, web.estate().certificates, {
    ...{ now: Date.now(), past: 0 },
    kindOf: (index) => KINDS[index] ?? "healthy",
  });
  await applyFile(installation);
});
afterEach(() => estate?.[Symbol.asyncDispose]());

/** As a planner does within the hour. */
async function check(): Promise<void> {
  const { store } = estate;
  const fleet = { store, clock: Date, clockGuard: { check: async () => {} }, budget: unlimited };
  await checkFleet({ ...fleet, release: packageVersion, largeFleet: 1, share: 1 }, new AbortController().signal);
}

const page = async (path: string): Promise<string> => (await estate.ask(path, HTML)).text();
const api = async <T>(path: string): Promise<T> => (await estate.ask(`/api/v1/${path}`)).json() as Promise<T>;
const NOTE =
  /just started and reads all 520 certificates. Until\s+then lists hold (\d+):.*\s+The planner found the\s+other (\d+) well/;

test("the first page of a large fleet shows what is wrong before all of it is read", async () => {
  await check();
  const first = await page("/");
  const [, shown, others] = NOTE.exec(first) ?? [];
  expect(Number(shown) + Number(others)).toBe(SIZE);
  expect(Number(shown)).toBeLessThan(SIZE / 10);
  expect(first).toContain('<meta http-equiv="refresh" content="5" />');
  expect(first).toContain("Known as soon as all certificates are read.");
  expect(first).toMatch(/The planner saw 520 of 520/);
  // Each of these waits for all.
  expect((await api<{ total: number }>("certificates?limit=1")).total).toBe(SIZE);
  const then = await page("/");
  expect(then).not.toMatch(NOTE);
  const proved = /data-count="(\d+)"><b>\d+<\/b>\s*of 520 proved live/;
  expect(Number(proved.exec(first)?.[1])).toBeGreaterThan(SIZE / 2);
  expect(proved.exec(first)?.[1]).toBe(proved.exec(then)?.[1]);
});

test("the list of certificates holds those that are wrong, and says so", async () => {
  await check();
  const first = await page("/certificates?state=expired");
  expect(first).toMatch(NOTE);
  expect(first).toContain('href="/certificates/c2"');
  expect(await page("/certificates/c200")).toContain("c200");
  expect(await page("/certificates")).not.toMatch(NOTE);
});

test("status and alerts are told at once, and are as when all is read", async () => {
  await check();
  const told = async () => {
    const { summary, problems, notices } = await api<StatusReport>("status");
    return { ...summary, checkedSince: null, problems, notices, alerts: await api("alerts") };
  };
  const soon = await told();
  await api("certificates");
  expect(soon).toEqual(await told());
  expect(soon.withProblems).toBeGreaterThan(0);
});

test.each([
  ["nobody has checked", async () => {}],
  [
    "somebody else wrote the sums of",
    async () => {
      await check();
      const database = new DatabaseSync(join(estate.installation.directory, "data", "renewd.db"));
      database.exec(`update steady_parts set checked_at = checked_at + 1`);
      database.close();
    },
  ],
])("a fleet that %s is read before it is shown", async (_, prepare) => {
  await prepare();
  expect(await page("/")).not.toMatch(NOTE);
});
