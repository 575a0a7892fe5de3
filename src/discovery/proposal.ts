import { sanitize } from "../domain/text.ts";
import type { Discovery, Lineage, ServedPair } from "./found.ts";
import type { Answers, FileFacts, Files, ProposedCertificate, ProposedSolver } from "./proposed.ts";
import { hookOf, type PairInUse, targetFor } from "./targets.ts";
import { writeConfiguration } from "./write.ts";

export interface Proposal {
  readonly text: string;
  readonly certificates: readonly ProposedCertificate[];
  /** Files that servers name and renewd cannot write to. */
  readonly strange: readonly string[];
  /** renewd's own responder cannot have port 80: the server that has it must forward the challenges. */
  readonly sharesPort80With: string | null;
}

/** A configuration for what was found. Pure. */
export function propose(discovery: Discovery, files: Files, answers: Answers): Proposal {
  const taken = new Set<string>();
  const inUse = pairsInUse(discovery, files);
  const isStrange = ({ certificate, key }: PairInUse): boolean => ![certificate, key].every((path) => FILE.test(path));
  const strange = inUse.filter(isStrange).map(({ certificate }) => certificate);
  const certificates = withoutDoubles(
    inUse
      .filter((pair) => !isStrange(pair))
      .map((pair) =>
        certificateFor(pair, { discovery, facts: files.facts.get(pair.certificate) ?? null, answers, taken }),
      ),
  );
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
function pairsInUse({ servers, lineages }: Discovery, files: Files): PairInUse[] {
  const originOf = originsIn(lineages, files);
  const served = servers.flatMap(({ pairs }) => pairs).map((pair) => ({ pair, ...originOf(pair) }));
  const inUse = [...Map.groupBy(served, ({ paths }) => paths.certificate).values()].flatMap((all) => {
    const [first] = all;
    const pairs = all.map(({ pair }) => pair);
    const { certificate, key } = first?.paths ?? {};
    return certificate === undefined || key === undefined
      ? []
      : [{ certificate, key, pairs, lineage: first?.lineage ?? null }];
  });
  const used = new Set(served.map(({ lineage }) => lineage));
  const rest = lineages.filter((lineage) => !used.has(lineage));
  return [...inUse, ...rest.map((lineage) => ({ ...lineage, pairs: [], lineage }))];
}

interface Origin {
  readonly lineage: Lineage | null;
  /** The client's, where the server reads them: by another name of them too, such as a link. */
  readonly paths: Pick<ServedPair, "certificate" | "key">;
}

/** Which client renews what a server reads: the same file by any path, or a copy, as deploy hooks make. */
function originsIn(lineages: readonly Lineage[], { facts, real }: Files): (pair: ServedPair) => Origin {
  const realOf = (path: string): string => real.get(path) ?? path;
  const byFile = new Map<string, Lineage>();
  const byFingerprint = new Map<string, Lineage>();
  for (const lineage of [...lineages].reverse()) {
    const { certificate, key } = lineage;
    // certbot's cert.pem and fullchain.pem have one key.
    for (const path of [certificate, key]) byFile.set(path, lineage).set(realOf(path), lineage);
    const fingerprint = facts.get(certificate)?.fingerprint;
    if (fingerprint !== undefined) byFingerprint.set(fingerprint, lineage);
  }
  return (pair) => {
    const places = [pair.certificate, pair.key];
    const same = [...places, ...places.map(realOf)].map((path) => byFile.get(path)).find((each) => each !== undefined);
    if (same !== undefined) return { lineage: same, paths: same };
    const copied = byFingerprint.get(facts.get(pair.certificate)?.fingerprint ?? "");
    return { lineage: copied ?? null, paths: pair };
  };
}

/**
 * One certificate for one set of names, with the targets of all: the configuration takes no two of a CA and key type.
 * What no server reads beside it is left over, or a client's second try.
 */
function withoutDoubles(certificates: readonly ProposedCertificate[]): ProposedCertificate[] {
  const groups = Map.groupBy(certificates, ({ names, keyType, directory }) =>
    JSON.stringify([[...names].sort(), keyType, directory]),
  );
  return [...groups.values()].flatMap((all) => {
    const ready = all.filter(({ obstacle }) => obstacle === null);
    const first = ready.find(({ servers }) => servers.length > 0) ?? ready[0];
    if (first === undefined) return all;
    const known = first.keyType !== null;
    const merged = ready.filter((each) => each === first || (known && each.servers.length > 0));
    const why = known
      ? "has the same names, and no server was found that reads this one"
      : "has the same names, and the files could not be read to tell whether it is the same pair";
    const rest = all.filter((each) => !merged.includes(each));
    return [
      mergedOf(first, merged),
      ...rest.map((each) => (each.obstacle === null ? { ...each, obstacle: `${first.name} ${why}` } : each)),
    ];
  });
}

function mergedOf(first: ProposedCertificate, all: readonly ProposedCertificate[]): ProposedCertificate {
  return {
    ...first,
    servers: [...new Set(all.flatMap(({ servers }) => servers))],
    targets: all.flatMap(({ targets }) => targets),
    endpoints: [...new Set(all.flatMap(({ endpoints }) => endpoints))],
    solver: all.find(({ renewedBy }) => renewedBy !== null)?.solver ?? first.solver,
    renewedBy: all.find(({ renewedBy }) => renewedBy !== null)?.renewedBy ?? null,
    hook: all.find(({ hook }) => hook !== null)?.hook ?? null,
  };
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
    keyType: facts?.keyType ?? null,
    renewedBy: lineage?.client ?? null,
    hook: pairs.length > 0 ? (hookOf(lineage)?.at(-1) ?? null) : null,
    servers: [...new Set(pairs.map(({ server }) => server))],
    directory: isDirectory(lineage?.directory) ? lineage.directory : answers.directory,
    solver,
    targets: [targetFor(pair, name, discovery.servers)],
    endpoints,
    obstacle: obstacleOf({ names, endpoints, lineage }),
  };
}

function obstacleOf({
  names,
  endpoints,
  lineage,
}: Pick<ProposedCertificate, "names" | "endpoints"> & { readonly lineage: Lineage | null }): string | null {
  if (lineage !== null && lineage.directory !== null && !isDirectory(lineage.directory))
    return `its CA today is no https:// URL (${sanitize(lineage.directory, 80)}): set its issuer`;
  if (names.length === 0) return "its names are not known: the file could not be read, and no server names any";
  const dns = lineage?.challenge.type === "dns-01" ? lineage.challenge.provider : null;
  if (dns !== null) return `it is validated by dns-01 (${sanitize(dns, 40)}) today: add a solver for it`;
  if (names.some((name) => name.startsWith("*."))) return "a wildcard is validated by dns-01 only: add a solver for it";
  return endpoints.length === 0 ? "where clients meet it is not known: add `endpoints`" : null;
}

/** On one line of a comment, and as the configuration takes it. */
function isDirectory(directory: string | null | undefined): directory is string {
  return (
    typeof directory === "string" && /^https:\/\/[\w.:-]+(\/[\w.~%/-]*)?$/.test(directory) && URL.canParse(directory)
  );
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
