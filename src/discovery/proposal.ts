import { sanitize } from "../domain/text.ts";
import type { Discovery, Lineage, ServedPair } from "./found.ts";
import type { Answers, FileFacts, ProposedCertificate, ProposedSolver } from "./proposed.ts";
import { type PairInUse, targetFor } from "./targets.ts";
import { writeConfiguration } from "./write.ts";

export interface Proposal {
  readonly text: string;
  readonly certificates: readonly ProposedCertificate[];
  /** Files that servers name and renewd cannot write to. */
  readonly strange: readonly string[];
  /** renewd's own responder cannot have port 80: the server that has it must forward the challenges. */
  readonly sharesPort80With: string | null;
}

/** A configuration for what was found. Pure: `facts` are by certificate file. */
export function propose(discovery: Discovery, facts: ReadonlyMap<string, FileFacts>, answers: Answers): Proposal {
  const taken = new Set<string>();
  const inUse = pairsInUse(discovery);
  const isStrange = ({ certificate, key }: PairInUse): boolean => ![certificate, key].every((path) => FILE.test(path));
  const strange = inUse.filter(isStrange).map(({ certificate }) => certificate);
  const certificates = inUse
    .filter((pair) => !isStrange(pair))
    .map((pair) => certificateFor(pair, { discovery, facts: facts.get(pair.certificate) ?? null, answers, taken }));
  const web = discovery.servers.find(({ answersPort80 }) => answersPort80)?.server ?? null;
  const isShared = certificates.some(({ solver }) => solver?.type === "http-01") || certificates.length === 0;
  const sharesPort80With = isShared ? web : null;
  return {
    certificates,
    strange,
    sharesPort80With,
    text: writeConfiguration(certificates, { answers, sharesPort80With }),
  };
}

/** Served files first, in the order of the servers' configurations; then what only another client knows. */
function pairsInUse({ servers, lineages }: Discovery): PairInUse[] {
  const served = new Map<string, ServedPair[]>();
  for (const pair of servers.flatMap(({ pairs }) => pairs))
    served.set(pair.certificate, [...(served.get(pair.certificate) ?? []), pair]);
  const lineageOf = (certificate: string): Lineage | null =>
    lineages.find((lineage) => lineage.certificate === certificate) ?? null;
  const inUse = [...served].map(([certificate, pairs]) => ({
    certificate,
    key: pairs[0]?.key ?? certificate,
    pairs,
    lineage: lineageOf(certificate),
  }));
  const rest = lineages.filter(({ certificate }) => !served.has(certificate));
  return [...inUse, ...rest.map((lineage) => ({ ...lineage, pairs: [], lineage }))];
}

interface Surroundings {
  readonly discovery: Discovery;
  readonly facts: FileFacts | null;
  readonly answers: Answers;
  /** Names of certificates so far. */
  readonly taken: Set<string>;
}

/** As target options take paths: no variable, placeholder or control character. */
const FILE = /^\/[^\p{Cc}{}$]*[^\p{Cc}{}$/]$/u;
const NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/;
const HOST = /^(\*\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?$|^[0-9a-f:.]+$/;

function certificateFor(pair: PairInUse, { discovery, facts, answers, taken }: Surroundings): ProposedCertificate {
  const { lineage, pairs } = pair;
  const serverNames = pairs.flatMap(({ names }) => names.map((each) => each.toLowerCase()));
  const said = facts?.names ?? (lineage !== null && lineage.names.length > 0 ? lineage.names : serverNames);
  const names = [...new Set(said.map((each) => each.toLowerCase()))].filter((each) => HOST.test(each));
  const name = freeName(lineage?.name ?? names[0] ?? "certificate", taken);
  const endpoints = endpointsOf(names, serverNames, [...new Set(pairs.flatMap(({ ports }) => ports))]);
  const solver = solverOf(lineage);
  return {
    name,
    names,
    certificate: pair.certificate,
    key: pair.key,
    notAfter: facts?.notAfter ?? null,
    renewedBy: lineage?.client ?? null,
    servers: [...new Set(pairs.map(({ server }) => server))],
    directory: lineage?.directory ?? answers.directory,
    solver,
    target: targetFor(pair, name, discovery.servers),
    endpoints,
    obstacle: obstacleOf({ names, endpoints, lineage }),
  };
}

function obstacleOf({
  names,
  endpoints,
  lineage,
}: Pick<ProposedCertificate, "names" | "endpoints"> & { readonly lineage: Lineage | null }): string | null {
  if (names.length === 0) return "its names are not known: the file could not be read, and no server names any";
  const dns = lineage?.challenge.type === "dns-01" ? lineage.challenge.provider : null;
  if (dns !== null) return `it is validated by dns-01 (${sanitize(dns, 40)}) today: add a solver for it`;
  if (names.some((name) => name.startsWith("*."))) return "a wildcard is validated by dns-01 only: add a solver for it";
  return endpoints.length === 0 ? "where clients meet it is not known: add `endpoints`" : null;
}

/** A name of the configuration's form that no other certificate has. */
function freeName(wanted: string, taken: Set<string>): string {
  const base = wanted
    .toLowerCase()
    .replace(/^\*\./, "")
    .replace(/[^a-z0-9._-]/g, "-")
    .slice(0, 56);
  const plain = NAME.test(base) ? base : "certificate";
  let name = plain;
  for (let count = 2; taken.has(name); count += 1) name = `${plain}-${count}`;
  taken.add(name);
  return name;
}

/** Where clients meet it: the first plain name, else a server's name that its wildcard covers. */
function endpointsOf(names: readonly string[], serverNames: readonly string[], ports: readonly number[]): string[] {
  const host = [...names, ...serverNames].find((name) => !name.includes("*"));
  if (host === undefined) return [];
  const shown = host.includes(":") ? `[${host}]` : host;
  return (ports.length === 0 ? [443] : ports).map((port) => `${shown}:${port}`);
}

function solverOf(lineage: Lineage | null): ProposedSolver | null {
  if (lineage?.challenge.type === "webroot") return { type: "webroot", directory: lineage.challenge.directory };
  return lineage?.challenge.type === "dns-01" ? null : { type: "http-01" };
}
