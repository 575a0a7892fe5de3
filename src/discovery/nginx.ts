import { dirname, resolve } from "node:path";
import type { ServedPair, ServerFindings } from "./found.ts";
import type { Machine } from "./machine.ts";

/** One directive, with what is in its braces. */
interface Directive {
  readonly words: readonly string[];
  readonly block: readonly Directive[];
  readonly place: string;
}

const MAIN = "/etc/nginx/nginx.conf";
const DEPTH_MAX = 10;
/** Of blocks in blocks; nginx has four. */
const NESTING_MAX = 20;

/** Reads /etc/nginx/nginx.conf with all it includes; null: no nginx is configured here. */
export async function findNginx(machine: Machine): Promise<ServerFindings | null> {
  const text = await machine.read(MAIN);
  if (text === null) return null;
  const directives = await included(machine, readDirectives(text, MAIN, machine.note), [MAIN]);
  const serversOf = (kind: "http" | "stream") =>
    blocks(directives, kind).flatMap((outer) => blocks(outer.block, "server").map((server) => ({ outer, server })));
  const servers = serversOf("http");
  return {
    server: "nginx",
    place: MAIN,
    pairs: [...servers, ...serversOf("stream")].flatMap(({ outer, server }) => pairsOf(outer, server)),
    answersPort80: servers.some(({ server }) => ports(server).includes(80)),
    socket: null,
  };
}

function pairsOf(outer: Directive, server: Directive): ServedPair[] {
  const listening = securePorts(server);
  // Two `ssl_certificate` lines are one pair each, an RSA and an ECDSA one; what a server leaves out it inherits.
  const inherited = (name: string): string[] => {
    const own = values(server.block, name);
    return own.length > 0 ? own : values(outer.block, name);
  };
  const certificates = inherited("ssl_certificate");
  const keys = inherited("ssl_certificate_key");
  if (listening.length === 0) return [];
  return certificates.flatMap((certificate, index) => {
    const key = keys[index];
    // A variable, or a key in an engine: no file that renewd could write.
    if (key === undefined || /[$:]/.test(certificate + key)) return [];
    const path = (file: string): string => resolve(dirname(MAIN), file);
    return [
      {
        server: "nginx" as const,
        names: words(server.block, "server_name").filter((name) => /^[\w*-][\w*.-]*$/.test(name) && name !== "_"),
        ports: listening,
        certificate: path(certificate),
        key: path(key),
        place: server.place,
      },
    ];
  });
}

/** null: a socket, which no client dials. */
const portOf = (listen: string): number | null => {
  if (listen.startsWith("unix:")) return null;
  const port = /(?:^|[:\]])(\d+)$/.exec(listen)?.[1];
  return port === undefined ? 80 : Number(port);
};

function ports(server: Directive): number[] {
  const listens = server.block.filter(({ words: [name] }) => name === "listen");
  return listens.length === 0 ? [80] : portsOf(listens);
}

function securePorts(server: Directive): number[] {
  const legacy = words(server.block, "ssl").includes("on");
  const listens = server.block.filter(
    ({ words: [name, , ...rest] }) => name === "listen" && (legacy || rest.includes("ssl")),
  );
  return [...new Set(portsOf(listens))];
}

const portsOf = (listens: readonly Directive[]): number[] =>
  listens.map(({ words: [, listen = ""] }) => portOf(listen)).filter((port) => port !== null);

const blocks = (directives: readonly Directive[], name: string): Directive[] =>
  directives.filter(({ words: [first] }) => first === name);

const values = (directives: readonly Directive[], name: string): string[] =>
  directives.flatMap(({ words: [first, value] }) => (first === name && value !== undefined ? [value] : []));

const words = (directives: readonly Directive[], name: string): string[] =>
  directives.flatMap(({ words: [first, ...rest] }) => (first === name ? rest : []));

/** The directives with those of `include` in its place. `above`: the files that led here, which are not read again. */
async function included(
  machine: Machine,
  directives: readonly Directive[],
  above: readonly string[],
): Promise<Directive[]> {
  const all: Directive[] = [];
  for (const directive of directives) {
    const [name, pattern] = directive.words;
    if (name === "include" && pattern !== undefined) {
      if (above.length > DEPTH_MAX) continue;
      for (const path of await machine.matching(resolve(dirname(MAIN), pattern))) {
        const text = above.includes(path) ? null : await machine.read(path);
        if (text !== null)
          all.push(...(await included(machine, readDirectives(text, path, machine.note), [...above, path])));
      }
    } else all.push({ ...directive, block: await included(machine, directive.block, above) });
  }
  return all;
}

const TOKEN = /\s+|#[^\n]*|"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|[{};]|[^\s{};"'#][^\s{};]*/gy;

/**
 * nginx's syntax: words end in `;` or open a block. What is not understood, such as a quote in Lua, ends the reading,
 * and is noted: what follows there is missing from the proposal.
 */
function readDirectives(text: string, place: string, note: (sentence: string) => void): Directive[] {
  const stack: Directive[][] = [[]];
  let open: string[] = [];
  let read = 0;
  for (const { 0: token, 1: double, 2: single, index } of text.matchAll(TOKEN)) {
    if (stack.length > NESTING_MAX) break;
    read = index + token.length;
    const directives = stack[stack.length - 1] ?? [];
    if (/^\s|^#/.test(token)) continue;
    if (token === "}") {
      if (stack.length > 1) stack.pop();
    } else if (token === ";" || token === "{") {
      const block: Directive[] = [];
      if (open.length > 0) directives.push({ words: open, block, place });
      open = [];
      if (token === "{") stack.push(block);
    } else open.push(double ?? single ?? token);
  }
  if (read < text.length)
    note(`${place} is not understood from line ${text.slice(0, read).split("\n").length} on: what follows is not read`);
  return stack[0] ?? [];
}
