import { expect } from "vitest";
import type { Store } from "../../../src/domain/store.ts";
import { configure } from "../../../src/renewal/plan/configure.ts";
import { planDue } from "../../../src/renewal/plan/plan.ts";
import { ModelTarget } from "./peers.ts";
import { seeded } from "./random.ts";
import { modelCertificate, NO_SIGNAL, Workbench } from "./workbench.ts";

/** Where transactions and their savepoints begin and end. */
const BOUNDS = /^(?:begin|savepoint|release|rollback|commit)\b/;

export interface Counted {
  /** Without those that begin and end transactions. */
  readonly statements: number;
  readonly commits: number;
  /** Of the statements, those that only wait for a lock: SQLite needs none. */
  readonly locks: number;
}

/** What a database was sent on one connection after another. */
export function counted(texts: readonly string[]): Counted {
  let inTransaction = false;
  const count = { statements: 0, commits: 0, locks: 0 };
  for (const text of texts) {
    if (text.startsWith("begin")) inTransaction = true;
    else if (!BOUNDS.test(text)) count.statements += 1;
    if (/^select (?:"name" from "certificates" .* for no key update|pg_advisory)/.test(text)) count.locks += 1;
    // A write outside a transaction is a commit of its own.
    if (text === "commit" || (!inTransaction && !text.startsWith("select"))) count.commits += 1;
    if (text === "commit") inTransaction = false;
  }
  return count;
}

const TEN = Array.from({ length: 10 }, (_, index) => `c${index}`);

interface Renewing {
  readonly names: readonly string[];
  readonly answersAlone: boolean;
}

/**
 * What each certificate takes from due to proved, in one process that has all roles. The numbers of today, so that no
 * change raises them unnoticed. The model CA asks for no challenge: with one, its answer, its event and the request to
 * finalize are recorded as well, each before the CA is asked to go on. Of ten the planner records all in one commit.
 */
export const LIMITS: readonly (readonly [string, Renewing, Pick<Counted, "statements" | "commits">])[] = [
  ["alone, at a server that answers alone", { names: ["www"], answersAlone: true }, { statements: 39, commits: 5 }],
  ["among ten, at servers that answer alone", { names: TEN, answersAlone: true }, { statements: 36.3, commits: 4.1 }],
  ["alone, proved over some time", { names: ["www"], answersAlone: false }, { statements: 45, commits: 6 }],
  ["among ten, proved over some time", { names: TEN, answersAlone: false }, { statements: 42.3, commits: 5.1 }],
];

/** Renews them with so many jobs in flight at once. `begin` begins to count. */
export async function countedEach(
  { names, answersAlone }: Renewing,
  begin: () => () => Counted,
  { store, inFlight }: { readonly store?: Store; readonly inFlight: number },
): Promise<Counted> {
  await using bench = await Workbench.open(
    names.map((name) => atOneTarget(name, name)),
    store,
  );
  for (const name of names) bench.targets.set(name, new ModelTarget(seeded(1)));
  bench.answersAlone = answersAlone;
  bench.hasRoom = true;
  await configure(bench.context, NO_SIGNAL);
  const count = begin();
  await planDue(bench.context, NO_SIGNAL);
  await bench.workTogether(inFlight);
  const { statements, commits, locks } = count();
  for (const name of names) expect((await bench.renewal(name)).state).toBe("succeeded");
  return { statements: statements / names.length, commits: commits / names.length, locks: locks / names.length };
}

export function atOneTarget(name: string, target = "a") {
  const endpoints = [{ host: target, port: 443, sni: `${name}.example.org`, target }];
  return modelCertificate(name, { targets: [target], endpoints });
}
