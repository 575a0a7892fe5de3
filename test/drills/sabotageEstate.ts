// Real servers that hold a pair for many names each, and what renewd's deployers do to them when they are sabotaged.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Authority, createRoot } from "../support/ca/pki.ts";
import { writePair } from "../support/pairs/pairDirectory.ts";
import { type Haproxy, startHaproxy } from "../support/servers/haproxy.ts";
import { type Nginx, startNginx } from "../support/servers/nginx.ts";
import { type ServedPair, startTcpServer, startTlsServer } from "../support/servers/tlsServer.ts";
import { until } from "../support/until.ts";

/** Two members of a pool; nothing listens on the third. */
export const MEMBERS = ["127.0.0.1", "127.0.0.2"] as const;
export const NO_MEMBER = "127.0.0.3";

export interface Authorities {
  readonly root: Authority;
  readonly upper: Authority;
  readonly lower: Authority;
  /** `lower` with the same key, as it was certified before: it has expired. */
  readonly expired: Authority;
  /** Nobody trusts it. */
  readonly stranger: Authority;
}

export async function createAuthorities(): Promise<Authorities> {
  const root = await createRoot({ name: "Drill Root" });
  const upper = await root.intermediate({ name: "Drill Upper CA" });
  const lower = await upper.intermediate({ name: "Drill Lower CA" });
  const [notBefore, notAfter] = [new Date(Date.now() - 7_200_000), new Date(Date.now() - 3_600_000)];
  const expired = await upper.intermediate({ name: lower.name, keyPem: lower.keyPem, notBefore, notAfter });
  return { root, upper, lower, expired, stranger: await createRoot({ name: "Stranger Root" }) };
}

/** Leaf first. */
export function withChain({ certPem, keyPem }: ServedPair, ...chain: readonly { certPem: string }[]): ServedPair {
  return { certPem: [certPem, ...chain.map((each) => each.certPem)].join(""), keyPem };
}

/** TLS servers at both members; what a name gets is asked at each connection. */
export interface Pool extends AsyncDisposable {
  readonly port: number;
  serve(name: string, first: () => ServedPair, second?: () => ServedPair): void;
}

async function startPool(placeholder: ServedPair): Promise<Pool> {
  const bound: [Record<string, ServedPair>, Record<string, ServedPair>] = [{}, {}];
  await using stack = new AsyncDisposableStack();
  const first = stack.use(await startTlsServer({ pairs: [placeholder], bound: bound[0], address: MEMBERS[0] }));
  const { port } = first;
  stack.use(await startTlsServer({ pairs: [placeholder], bound: bound[1], address: MEMBERS[1], port }));
  const servers = stack.move();
  return {
    port,
    serve(name, ...[get, other = get]) {
      for (const [at, asked] of [get, other].entries())
        Object.defineProperty(bound[at], name, { get: asked, configurable: true });
    },
    [Symbol.asyncDispose]: () => servers.disposeAsync(),
  };
}

export interface SabotageEstate extends AsyncDisposable {
  readonly authorities: Authorities;
  readonly haproxy: Haproxy;
  /** Loses what is only in its memory. */
  readonly forgetful: Haproxy;
  /** `old` and `young` share a port. */
  readonly old: Haproxy;
  readonly young: Haproxy;
  readonly nginx: Nginx;
  /** Nobody reloads it. */
  readonly unloaded: Nginx;
  readonly pool: Pool;
  /** Port that accepts and says nothing, and one that speaks HTTP. */
  readonly silent: number;
  readonly plain: number;
}

/** `pairs`: by certificate, whose server name is its own; what every server has for it at first. */
export async function startSabotageEstate(
  authorities: Authorities,
  pairs: ReadonlyMap<string, ServedPair>,
): Promise<SabotageEstate> {
  await using stack = new AsyncDisposableStack();
  const certificates = Object.fromEntries(pairs);
  const blocks = Object.fromEntries([...pairs].map(([name, pair]) => [name, { ...pair, serverNames: [name] }]));
  const haproxy = stack.use(await startHaproxy({ certificates }));
  const forgetful = stack.use(await startHaproxy({ certificates }));
  const old = stack.use(await startHaproxy({ certificates }));
  const young = stack.use(await startHaproxy({ certificates, port: old.port }));
  const nginx = stack.use(await startNginx({ certificates: blocks }));
  const unloaded = stack.use(await startNginx({ certificates: blocks }));
  const pool = stack.use(await startPool(await authorities.stranger.issue({ names: ["placeholder.test"] })));
  for (const [name, pair] of pairs) pool.serve(name, () => pair);
  const silent = stack.use(await startTcpServer(() => {}));
  const plain = stack.use(await startTcpServer((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n")));
  const running = stack.move();
  return {
    ...{ authorities, haproxy, forgetful, old, young, nginx, unloaded, pool },
    ...{ silent: silent.port, plain: plain.port },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

/** Into its memory, by the runtime API. */
export async function loadIntoHaproxy({ directory, runtime }: Haproxy, name: string, pair: ServedPair): Promise<void> {
  const file = join(directory, `${name}.pem`);
  // An empty line would end the command.
  const pem = (pair.keyPem + pair.certPem).replace(/\n+/g, "\n");
  await runtime(`set ssl cert ${file} <<\n${pem}`);
  const answer = await runtime(`commit ssl cert ${file}`);
  if (!answer.includes("Success")) throw new Error(`HAProxy did not take ${name}: ${answer}`);
}

/** Onto its disk only. */
export function writeForHaproxy({ directory }: Haproxy, name: string, { certPem, keyPem }: ServedPair): Promise<void> {
  return writeFile(join(directory, `${name}.pem`), keyPem + certPem, { mode: 0o600 });
}

export function writeForNginx({ directory }: Nginx, name: string, pair: ServedPair): Promise<void> {
  return writePair(join(directory, name), pair);
}

/** Until no worker is left that has the old pairs. */
export async function reloadNginx({ pid }: Nginx): Promise<void> {
  const workers = async (): Promise<string[]> =>
    (await readFile(`/proc/${pid}/task/${pid}/children`, "utf8")).split(" ").filter((each) => each !== "");
  const before = await workers();
  process.kill(pid, "SIGHUP");
  await until("nginx to reload", async () => {
    const now = await workers();
    return now.length > 0 && !now.some((each) => before.includes(each)) ? true : null;
  });
}
