// npm run drills -- [--only NAME] [--seed N] [--quick] [--certificates N] [--kills N]: see docs/drills.md.
import { inspect, parseArgs } from "node:util";
import { DRILLS } from "./drills.ts";
import { migratesConnections, runPrivately } from "./privateNetwork.ts";
import { runDrills } from "./run.ts";
import { details, table } from "./table.ts";

/** For 500 kills on a slow machine. */
const DRILL_MAX_MS = 3_600_000;
const USAGE =
  "usage: npm run drills -- [--list] [--only NAME[,NAME…]] [--seed N] [--quick] [--certificates N] [--kills N]";

class WrongUsage extends Error {}

function number(text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  if (!/^\d{1,10}$/.test(text)) throw new WrongUsage(`${text} is not a number`);
  return Number(text);
}

const OPTIONS = {
  list: { type: "boolean" },
  only: { type: "string" },
  seed: { type: "string" },
  quick: { type: "boolean" },
  certificates: { type: "string" },
  kills: { type: "string" },
} as const;

function asked() {
  try {
    return parseArgs({ options: OPTIONS }).values;
  } catch (thrown) {
    throw new WrongUsage(thrown instanceof Error ? thrown.message : String(thrown));
  }
}

async function main(): Promise<number> {
  const values = asked();
  const quick = values.quick ?? false;
  const names = values.only?.split(",") ?? null;
  const unknown = names?.find((name) => !DRILLS.some((drill) => drill.name === name));
  if (unknown !== undefined)
    throw new WrongUsage(`there is no drill ${unknown}; there are ${DRILLS.map(({ name }) => name).join(", ")}`);
  const drills = DRILLS.filter((drill) => (names === null ? !quick || drill.quick : names.includes(drill.name)));
  if (values.list) {
    for (const { name, faults, title } of drills) console.log(`${name.padEnd(16)} ${faults.padEnd(10)} ${title}`);
    return 0;
  }
  if (drills.some(({ privateNetwork }) => privateNetwork) && !(await migratesConnections()))
    return runPrivately(process.argv);
  const settings = {
    seed: number(values.seed, Math.floor(Math.random() * 1_000_000)),
    quick,
    certificates: number(values.certificates, quick ? 6 : 50),
    kills: number(values.kills, quick ? 25 : 500),
    drillMaxMs: DRILL_MAX_MS,
  };
  console.log(`${drills.length} drills, seed ${settings.seed} (replay with --seed ${settings.seed})`);
  const startedAt = performance.now();
  const rows = await runDrills(drills, settings, (row) => {
    console.log(
      `${row.problems.length === 0 ? "passed" : "FAILED"} ${row.drill.name} after ${Math.round(row.durationMs / 1000)} s`,
    );
    for (const line of details(row)) console.log(`  ${line}`);
  });
  console.log(`\n${table(rows)}\n\nseed ${settings.seed}, ${Math.round((performance.now() - startedAt) / 1000)} s`);
  return rows.every(({ problems }) => problems.length === 0) ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (thrown) {
  const isUsage = thrown instanceof WrongUsage;
  // Whole: the message of an AggregateError, as of a refused connection, is empty.
  console.error(isUsage ? `${thrown.message}\n${USAGE}` : inspect(thrown));
  process.exitCode = isUsage ? 2 : 1;
}
