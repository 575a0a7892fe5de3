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

/** Reads /etc/nginx/nginx.conf with all it includes; null: no nginx is configured here. */
export async function findNginx(machine: Machine): Promise<ServerFindings | null> {
  const text = await machine.read(MAIN);
  if (text === null) return null;
  const directives = await included(machine, readDirectives(text, MAIN), 0);
  const servers = blocks(directives, "http").flatMap((http) =>
    blocks(http.block, "server").map((server) => ({ http, server })),
  );
  return {
    server: "nginx",
    place: MAIN,
    pairs: servers.flatMap(({ http, server }) => pairsOf(http, server)),
    answersPort80: servers.some(({ server }) => ports(server).includes(80)),
    socket: null,
  };
}

function pairsOf(http: Directive, server: Directive): ServedPair[] {
  const listening = securePorts(server);
  // Two `ssl_certificate` lines are one pair each, an RSA and an ECDSA one; what a server leaves out it inherits.
  const inherited = (name: string): string[] => {
    const own = values(server.block, name);
    return own.length > 0 ? own : values(http.block, name);
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

const portOf = (listen: string): number => {
  const port = /(?:^|[:\]])(\d+)$/.exec(listen)?.[1];
  return port === undefined ? 80 : Number(port);
};

function ports(server: Directive): number[] {
  const listens = server.block.filter(({ words: [name] }) => name === "listen");
  return listens.length === 0 ? [80] : listens.map(({ words: [, listen = ""] }) => portOf(listen));
}

function securePorts(server: Directive): number[] {
  const legacy = words(server.block, "ssl").includes("on");
  const listens = server.block.filter(
    ({ words: [name, , ...rest] }) => name === "listen" && (legacy || rest.includes("ssl")),
  );
  return [...new Set(listens.map(({ words: [, listen = ""] }) => portOf(listen)))];
}

const blocks = (directives: readonly Directive[], name: string): Directive[] =>
  directives.filter(({ words: [first] }) => first === name);

const values = (directives: readonly Directive[], name: string): string[] =>
  directives.flatMap(({ words: [first, value] }) => (first === name && value !== undefined ? [value] : []));

const words = (directives: readonly Directive[], name: string): string[] =>
  directives.flatMap(({ words: [first, ...rest] }) => (first === name ? rest : []));

/** The directives with those of `include` in its place. */
async function included(machine: Machine, directives: readonly Directive[], depth: number): Promise<Directive[]> {
  const all: Directive[] = [];
  for (const directive of directives) {
    const [name, pattern] = directive.words;
    if (name === "include" && pattern !== undefined) {
      if (depth >= DEPTH_MAX) continue;
      for (const path of await machine.matching(resolve(dirname(MAIN), pattern))) {
        const text = await machine.read(path);
        if (text !== null) all.push(...(await included(machine, readDirectives(text, path), depth + 1)));
      }
    } else all.push({ ...directive, block: await included(machine, directive.block, depth) });
  }
  return all;
}

const TOKEN = /\s+|#[^\n]*|"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|[{};]|[^\s{};"'#][^\s{};]*/gy;

/** nginx's syntax: words end in `;` or open a block. What is not understood ends the reading: it is a proposal only. */
function readDirectives(text: string, place: string): Directive[] {
  const stack: Directive[][] = [[]];
  let open: string[] = [];
  for (const { 0: token, 1: double, 2: single } of text.matchAll(TOKEN)) {
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
  return stack[0] ?? [];
}
