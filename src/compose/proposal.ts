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
  for (const { certificate } of files) {
    const found = factsOf(await machine.read(certificate));
    if (found !== null) facts.set(certificate, found);
  }
  return { ...propose(discovery, facts, answers), discovery };
}

/** null: not there, or no certificate. */
function factsOf(pem: string | null): FileFacts | null {
  if (pem === null) return null;
  try {
    const { identifiers, notAfter } = readLeaf(pem);
    return { names: identifiers.map(({ value }) => value), notAfter };
  } catch {
    return null;
  }
}

/** What is still wrong with a configuration file; empty: nothing. */
export async function mistakesIn(file: string): Promise<readonly ConfigProblem[]> {
  const result = await loadConfig(file);
  return result.ok ? [] : result.problems;
}
