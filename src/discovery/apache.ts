import { resolve } from "node:path";
import type { ServedPair, ServerFindings } from "./found.ts";
import type { Machine } from "./machine.ts";

/** Debian's and Red Hat's main files. */
const MAINS = [
  { main: "/etc/apache2/apache2.conf", root: "/etc/apache2" },
  { main: "/etc/httpd/conf/httpd.conf", root: "/etc/httpd" },
] as const;
const DEPTH_MAX = 10;

interface Line {
  readonly words: readonly string[];
  readonly place: string;
}

/** Reads Apache httpd's configuration with all it includes; null: none is configured here. */
export async function findApache(machine: Machine): Promise<ServerFindings | null> {
  for (const { main, root } of MAINS) {
    const text = await machine.read(main);
    if (text === null) continue;
    const lines = await included(machine, readLines(text, main), root, 0);
    const pairs = virtualHosts(lines).flatMap((host) => pairsOf(host, root));
    const listens = lines.flatMap(({ words: [name, port = ""] }) =>
      name?.toLowerCase() === "listen" ? [portOf(port)] : [],
    );
    return { server: "apache", place: main, pairs, answersPort80: listens.includes(80), socket: null };
  }
  return null;
}

interface VirtualHost {
  readonly ports: readonly number[];
  readonly lines: readonly Line[];
  readonly place: string;
}

function virtualHosts(lines: readonly Line[]): VirtualHost[] {
  const hosts: { ports: number[]; lines: Line[]; place: string }[] = [];
  let inside: { lines: Line[] } | null = null;
  for (const line of lines) {
    const [name = "", ...rest] = line.words;
    if (/^<virtualhost$/i.test(name)) {
      const host = { ports: rest.map((word) => portOf(word.replace(/>$/, ""))), lines: [], place: line.place };
      hosts.push(host);
      inside = host;
    } else if (/^<\/virtualhost>$/i.test(name)) inside = null;
    else inside?.lines.push(line);
  }
  return hosts;
}

function pairsOf({ ports, lines, place }: VirtualHost, root: string): ServedPair[] {
  const all = (wanted: string): string[] =>
    lines.flatMap(({ words: [name = "", ...rest] }) => (name.toLowerCase() === wanted ? rest : []));
  if (all("sslengine")[0]?.toLowerCase() === "off") return [];
  const keys = all("sslcertificatekeyfile");
  const names = [...all("servername"), ...all("serveralias")].map((name) => name.replace(/^\w+:\/\/|:\d+$/g, ""));
  const path = (file: string): string => resolve(root, file);
  // One pair each, an RSA and an ECDSA one. Without a key file the certificate's holds both.
  return all("sslcertificatefile").flatMap((certificate, index) => {
    const key = keys[index] ?? certificate;
    if (/[$%]\{/.test(certificate + key)) return [];
    return [{ server: "apache" as const, names, ports, certificate: path(certificate), key: path(key), place }];
  });
}

/** An address without a port, 192.0.2.1 or [2001:db8::1], ends in a digit as well. */
const portOf = (address: string): number => Number(/(?:^|:)(\d+)$/.exec(address)?.[1] ?? 443);

async function included(machine: Machine, lines: readonly Line[], root: string, depth: number): Promise<Line[]> {
  const all: Line[] = [];
  for (const line of lines) {
    const [name = "", pattern] = line.words;
    if (!/^include(optional)?$/i.test(name) || pattern === undefined) {
      all.push(line);
      continue;
    }
    if (depth >= DEPTH_MAX) continue;
    for (const path of await machine.matching(resolve(root, pattern))) {
      const text = await machine.read(path);
      if (text !== null) all.push(...(await included(machine, readLines(text, path), root, depth + 1)));
    }
  }
  return all;
}

function readLines(text: string, place: string): Line[] {
  return text
    .replace(/\\\r?\n/g, " ")
    .split("\n")
    .map((line) => ({ words: [...line.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)].map((m) => m[1] ?? m[2] ?? ""), place }))
    .filter(({ words: [first] }) => first !== undefined && !first.startsWith("#"));
}
