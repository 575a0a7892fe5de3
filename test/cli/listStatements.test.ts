import { StatementSync } from "node:sqlite";
import { afterEach, expect, test, vi } from "vitest";
import { configText, createInstallation } from "../support/system/installation.ts";
import { seedFleet } from "../support/system/seedFleet.ts";

afterEach(() => vi.restoreAllMocks());

const KINDS = ["limited", "targetDown", "paused", "inFlight", "held", "expired", "notServed", "retrying"] as const;
const LISTS = ["certificates", "history", "plan", "alerts"];

/** What each command asks of the database. */
async function statementsFor(certificates: number): Promise<Map<string, number>> {
  const names = Array.from({ length: certificates }, (_, index) => `c${index}`);
  await using installation = await createInstallation(configText(names), { planned: false });
  const options = { now: Date.now(), past: 0, kindOf: (index: number) => KINDS[index % KINDS.length] ?? "healthy" };
  await seedFleet(installation.store, installation.certificates, options);
  const spies = [vi.spyOn(StatementSync.prototype, "iterate"), vi.spyOn(StatementSync.prototype, "run")];
  const asked = new Map<string, number>();
  for (const list of LISTS) {
    for (const spy of spies) spy.mockClear();
    expect((await installation.run(list, "--json")).code, list).toBe(0);
    asked.set(
      list,
      spies.reduce((sum, { mock }) => sum + mock.calls.length, 0),
    );
  }
  vi.restoreAllMocks();
  return asked;
}

test("a list asks the database as often for 24 certificates in trouble as for eight", async () => {
  const few = await statementsFor(8);
  const many = await statementsFor(24);
  expect([...many]).toEqual([...few]);
});
