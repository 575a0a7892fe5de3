import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { shifted } from "../support/system/faketime.ts";
import { WORKER_ROLES } from "../support/system/system.ts";
import { allRoles, type Fault, green, type Night, startNight, suffer } from "./night.ts";
import { FAULTS } from "./nightFaults.ts";

/**
 * Of every kind one, in less than a minute. `RENEWD_NIGHT=whole` breaks everything, which takes four; any other
 * value is a part of the titles.
 */
const QUICK = /planner is stopped|Redis is away|reload is refused|master key is missing|CA is away|channel refuses/;
const asked = process.env.RENEWD_NIGHT;
const chosen = asked === undefined ? QUICK : new RegExp(asked === "whole" ? "" : asked);
const faults = FAULTS.filter(({ title }) => chosen.test(title));

/** Each begins with a green screen, so the first that is missed ends the night. */
async function sufferAll(night: Night, faults: readonly Fault[]): Promise<string[]> {
  await writeFile(join(night.home, "page"), "#!/bin/sh\nexit 0\n", { mode: 0o755 });
  await allRoles(night);
  await night.system.ended("www", 60_000);
  await green(night);
  for (const fault of faults) {
    try {
      const { namedMs, greenMs } = await suffer(night, fault);
      console.log(`${fault.title}: named after ${Math.round(namedMs)} ms, green after ${Math.round(greenMs)} ms`);
    } catch (error) {
      return [`${fault.title}: ${error instanceof Error ? error.message : String(error)}`];
    }
  }
  return [];
}

it("at night: status alone names what broke within a minute, and its advice, typed as it stands, makes it green again", {
  timeout: 1_800_000,
}, async () => {
  await using night = await startNight();
  expect(
    await sufferAll(
      night,
      faults.filter(({ onPostgres }) => onPostgres !== true),
    ),
  ).toEqual([]);
  // Two months later, with nobody there: what was green is unknown, and nothing is said to be proved.
  await Promise.all(WORKER_ROLES.map((role) => night.process(role).stop()));
  const { code, stdout } = await night.status(shifted("+60d"));
  expect(code).toBe(1);
  expect(stdout).toMatch(/✗ no planner, acme, deployer or verifier runs/);
  expect(stdout).toMatch(/unknown since \d{4}-/);
  expect(stdout).toContain("0 proved live");
});

const onPostgres = faults.filter(({ onPostgres }) => onPostgres === true);
// Not among the quick ones: a database server of its own costs half a minute.
if (onPostgres.length > 0)
  it("at night on PostgreSQL: the same", { timeout: 600_000 }, async () => {
    await using night = await startNight({ onPostgres: true });
    expect(await sufferAll(night, onPostgres)).toEqual([]);
  });

it("the whole night breaks at least 25 things", () => {
  expect(FAULTS.length).toBeGreaterThanOrEqual(25);
  expect(new Set(FAULTS.map(({ title }) => title)).size).toBe(FAULTS.length);
});
