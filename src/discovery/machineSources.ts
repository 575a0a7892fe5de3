import type { DiscoveryReport, DiscoverySource } from "../domain/discovery.ts";
import type { FoundTarget } from "../domain/inventory.ts";
import { sanitize } from "../domain/text.ts";
import { foundCertificate } from "../x509/describe.ts";
import type { Discovery, Lineage, ServedPair } from "./found.ts";
import { discover } from "./index.ts";
import type { Machine } from "./machine.ts";
import { targetFor } from "./targets.ts";

const HTTPS_PORT = 443;
const PATH_MAX = 300;
/** No certificate has it, so no path gets a placeholder. */
const NO_NAME = "\0";

/**
 * What the configurations of web servers name (`servers`), and what other ACME clients renew (`clients`), at their usual
 * places on a machine. Both read the same files once.
 */
export function machineSources(open: (signal: AbortSignal) => Machine): readonly DiscoverySource[] {
  return [
    {
      name: "servers",
      async look(report, signal) {
        const { machine, discovery } = await read(open, signal);
        const { servers, lineages } = discovery;
        for (const pair of servers.flatMap(({ pairs }) => pairs)) {
          const lineage = lineages.find(({ certificate }) => certificate === pair.certificate) ?? null;
          const target = targetFor({ ...pair, pairs: [pair], lineage }, NO_NAME, servers);
          await addFile(machine, report, { ...pair, place: shownPair(pair), target });
          for (const candidate of candidatesOf(pair)) report.candidate(candidate);
        }
        for (const sentence of machine.unreadable) report.problem(sentence);
      },
    },
    {
      name: "clients",
      async look(report, signal) {
        const { machine, discovery } = await read(open, signal);
        for (const lineage of discovery.lineages)
          await addFile(machine, report, { ...lineage, place: shownLineage(lineage), target: null });
        for (const sentence of machine.unreadable) report.problem(sentence);
      },
    },
  ];
}

async function read(
  open: (signal: AbortSignal) => Machine,
  signal: AbortSignal,
): Promise<{ readonly machine: Machine; readonly discovery: Discovery }> {
  const machine = open(signal);
  return { machine, discovery: await discover(machine) };
}

interface NamedFile {
  readonly certificate: string;
  readonly place: string;
  readonly target: FoundTarget | null;
}

async function addFile(machine: Machine, report: DiscoveryReport, file: NamedFile): Promise<void> {
  const text = await machine.read(file.certificate);
  if (text === null) return;
  const certificate = foundCertificate(firstCertificate(text));
  if (certificate === null) report.problem(`${file.certificate} holds no certificate that can be read`);
  else report.found(certificate, { place: file.place, endpoint: null, target: file.target });
}

/** A bundle may begin with the key, and OpenSSL takes no more than a block's worth of text before it. */
function firstCertificate(text: string): string {
  const from = text.indexOf("-----BEGIN CERTIFICATE-----");
  const end = "-----END CERTIFICATE-----";
  const to = text.indexOf(end, from);
  return from < 0 || to < 0 ? "" : text.slice(from, to + end.length);
}

function shownPair({ server, certificate, place }: ServedPair): string {
  return sanitize(`${certificate} of ${server}, says ${place}`, PATH_MAX);
}

function shownLineage({ client, certificate, name }: Lineage): string {
  return sanitize(`${certificate} of ${client} (${name})`, PATH_MAX);
}

function candidatesOf({ names, ports }: ServedPair): { readonly host: string; readonly port: number }[] {
  const hosts = names.filter((name) => name !== "_" && !/[*~^]/.test(name));
  return hosts.flatMap((host) => (ports.length === 0 ? [HTTPS_PORT] : ports).map((port) => ({ host, port })));
}
