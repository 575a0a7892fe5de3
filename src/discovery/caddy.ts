import { dirname, resolve } from "node:path";
import type { ServedPair, ServerFindings } from "./found.ts";
import type { Machine } from "./machine.ts";

const MAIN = "/etc/caddy/Caddyfile";
const DEPTH_MAX = 5;

/**
 * Reads the `tls FILE FILE` lines of /etc/caddy/Caddyfile; null: no Caddy is configured here. Sites without such a line
 * get their certificates from Caddy itself, which is best left alone.
 */
export async function findCaddy(machine: Machine): Promise<ServerFindings | null> {
  const text = await machine.read(MAIN);
  if (text === null) return null;
  const pairs: ServedPair[] = [];
  let site: string[] = [];
  let depth = 0;
  for (const raw of await withImports(machine, text, 0)) {
    const line = raw.replace(/(^|\s)#.*$/, "").trim();
    const opens = line.endsWith("{");
    if (opens && depth === 0)
      site = line
        .slice(0, -1)
        .split(/[\s,]+/)
        .filter((word) => word !== "");
    const [name, certificate, key] = line.split(/\s+/);
    if (depth > 0 && name === "tls" && certificate?.startsWith("/") === true && key?.startsWith("/") === true)
      pairs.push({
        server: "caddy",
        ...addresses(site),
        certificate: resolve(certificate),
        key: resolve(key),
        place: MAIN,
      });
    if (opens) depth += 1;
    if (line === "}") depth = Math.max(0, depth - 1);
  }
  // Caddy answers on port 80 for its redirects unless it was told not to.
  return { server: "caddy", place: MAIN, pairs, answersPort80: !/auto_https\s+off/.test(text), socket: null };
}

/** Lines, with those of the files that `import` names in its place. Snippets have no such file. */
async function withImports(machine: Machine, text: string, depth: number): Promise<string[]> {
  const lines: string[] = [];
  for (const line of text.split("\n")) {
    const pattern = /^\s*import\s+([^\s{}]*[/*.][^\s{}]*)/.exec(line)?.[1];
    if (pattern === undefined || depth >= DEPTH_MAX) lines.push(line);
    else
      for (const path of await machine.matching(resolve(dirname(MAIN), pattern)))
        lines.push(...(await withImports(machine, (await machine.read(path)) ?? "", depth + 1)));
  }
  return lines;
}

function addresses(site: readonly string[]): Pick<ServedPair, "names" | "ports"> {
  const parts = site.map((address) => /^(?:https?:\/\/)?([^:/]*)(?::(\d+))?/.exec(address));
  const names = parts.flatMap((part) => (part?.[1] === undefined || part[1] === "" ? [] : [part[1]]));
  return { names, ports: [...new Set(parts.map((part) => Number(part?.[2] ?? 443)))] };
}
