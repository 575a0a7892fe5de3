import { expect, it } from "vitest";
import { shifted } from "../support/system/faketime.ts";
import { WORKER_ROLES } from "../support/system/system.ts";
import { type Fault, type Night, startNight } from "./night.ts";
import { sufferAll } from "./nightDrills.ts";
import { FAULTS } from "./nightFaults.ts";

/**
 * Of every kind one, in less than a minute. `RENEWD_NIGHT=whole` breaks everything, which takes four; any other
 * value is a part of the titles.
 */
const QUICK = /planner is stopped|Redis is away|reload is refused|master key is missing|CA is away|channel refuses/;
const asked = process.env.RENEWD_NIGHT;
const chosen = asked === undefined ? QUICK : new RegExp(asked === "whole" ? "" : asked);
const faults = FAULTS.filter(({ title }) => chosen.test(title));

async function problemsOf(night: Night, suffered: readonly Fault[]): Promise<readonly string[]> {
  const { notes, problems } = await sufferAll(night, suffered);
  console.log(notes.join("\n"));
  return problems;
}

it("at night: status alone names what broke within a minute, and its advice, typed as it stands, makes it green again", {
  timeout: 1_800_000,
}, async () => {
  await using night = await startNight();
  expect(
    await problemsOf(
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
    expect(await problemsOf(night, onPostgres)).toEqual([]);
  });

it("the whole night breaks at least 25 things", () => {
  expect(FAULTS.length).toBeGreaterThanOrEqual(25);
  expect(new Set(FAULTS.map(({ title }) => title)).size).toBe(FAULTS.length);
});
