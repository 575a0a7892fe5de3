import { loadConfig } from "../config/load.ts";
import type { ConfigProblem } from "../config/read/problems.ts";
import { type Discovery, discover, machineAt } from "../discovery/index.ts";
import { type Proposal, propose } from "../discovery/proposal.ts";
import type { Answers, FileFacts } from "../discovery/proposed.ts";
import { readLeaf } from "../x509/leaf.ts";

export interface MachineProposal extends Proposal {
  readonly discovery: Discovery;
}

/** Looks at the machine below `root` and proposes a configuration. Reads only. */
export async function proposeConfiguration(
  root: string,
  answers: Answers,
  signal: AbortSignal,
): Promise<MachineProposal> {
  const machine = machineAt(root, signal);
  const discovery = await discover(machine);
  const files = [...discovery.servers.flatMap(({ pairs }) => pairs), ...discovery.lineages];
  const facts = new Map<string, FileFacts>();
  const real = new Map<string, string>();
  for (const path of new Set(files.map(({ certificate }) => certificate))) {
    const found = factsOf(await machine.read(path));
    if (found !== null) facts.set(path, found);
  }
  for (const path of new Set(files.flatMap(({ certificate, key }) => [certificate, key])))
    real.set(path, await machine.real(path));
  return { ...propose(discovery, { facts, real }, answers), discovery };
}

/** null: not there, or no certificate. */
function factsOf(pem: string | null): FileFacts | null {
  if (pem === null) return null;
  try {
    const { identifiers, notAfter, fingerprint, keyType } = readLeaf(pem);
    return { names: identifiers.map(({ value }) => value), notAfter, fingerprint, keyType };
  } catch {
    return null;
  }
}

/** What is still wrong with a configuration file; empty: nothing. */
export async function mistakesIn(file: string): Promise<readonly ConfigProblem[]> {
  const result = await loadConfig(file, { stored: "unread" });
  return result.ok ? [] : result.problems;
}
