// HAProxy before a CA, alike for every contender: one request at a time towards the CA, as Pebble 2.4 can hang with
// many in flight and some clients have no limit of their own; and it counts what is asked, by the first part of the path.
import { mkdtemp, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { startAcmeProxy } from "../test/support/ca/acmeProxy.ts";
import type { Pebble } from "../test/support/ca/pebble.ts";
import { createRoot } from "../test/support/ca/pki.ts";
import { onFreePort, runServer } from "../test/support/servers/serverProcess.ts";

/** How Pebble's paths begin. */
const NEW_NONCE = "nonce-plz";
const NEW_ORDER = "order-plz";

export interface Requests {
  readonly all: number;
  readonly newNonce: number;
  readonly newOrder: number;
}

export interface Front extends AsyncDisposable {
  readonly directory: string;
  /** PEM of the root that signs the front's own TLS certificate. */
  readonly trustPem: string;
  /** Where the CA looks for http-01 answers. */
  readonly httpPort: number;
  /** Everything asked so far. */
  requests(): Promise<Requests>;
  /** Rejects when the CA answers no more, whoever asks. */
  readonly hung: Promise<never>;
}

export class Hung extends Error {}

/** Pebble answers within milliseconds. */
const HUNG_MS = 10_000;
const LOOK_MS = 1_000;

export async function startFront(pebble: Pebble): Promise<Front> {
  const root = await createRoot({ name: "Front root" });
  const { certPem, keyPem } = await root.issue({ names: ["localhost", "127.0.0.1"] });
  const started = await onFreePort(async (port) => {
    const home = await mkdtemp(join(tmpdir(), "renewd-bench-front-"));
    const socket = join(home, "admin.sock");
    const file = join(home, "haproxy.cfg");
    await writeFile(join(home, "front.pem"), keyPem + certPem, { mode: 0o600 });
    await writeFile(join(home, "ca.pem"), pebble.trustPem);
    await writeFile(file, configuration({ home, port, socket, upstream: new URL(pebble.directory).host }));
    return { port, socket, server: await runServer({ argv: ["haproxy", "-db", "-f", file], port, home }) };
  });
  const watch = watchServer(started.socket);
  return {
    directory: `https://127.0.0.1:${started.port}/dir`,
    trustPem: root.certPem,
    httpPort: pebble.httpPort,
    hung: watch.hung,
    requests: async () => counted(await ask(started.socket, "show table counts")),
    async [Symbol.asyncDispose]() {
      watch.stop();
      await started.server.stop();
    },
  };
}

/**
 * For long runs: who finalizes an order is answered when the certificate is made, so nobody can ask for the order at the
 * moment that Pebble hangs at. It costs the bench's own process time, so it is none for comparisons.
 */
export async function startPatientFront(pebble: Pebble): Promise<Front> {
  const proxy = await startAcmeProxy(pebble);
  const { directory, trustPem } = proxy;
  return {
    ...{ directory, trustPem, httpPort: pebble.httpPort, hung: Promise.withResolvers<never>().promise },
    requests: async () => ({
      ...{ all: proxy.requests.length, newNonce: proxy.count("newNonce"), newOrder: proxy.count("newOrder") },
    }),
    [Symbol.asyncDispose]: () => proxy.close(),
  };
}

/** One request is at the CA for long, while others wait or not. */
function watchServer(socket: string): { readonly hung: Promise<never>; stop(): void } {
  const { promise: hung, reject } = Promise.withResolvers<never>();
  hung.catch(() => {});
  let [since, last] = [performance.now(), ""];
  const look = async (): Promise<void> => {
    const line = /^ca,ca,.*$/m.exec(await ask(socket, "show stat"))?.[0]?.split(",") ?? [];
    // Management guide §9.1: 4 is what it handles now, 7 what it was sent so far.
    const [current = "0", total = ""] = [line[4], line[7]];
    if (current === "0" || total !== last) [since, last] = [performance.now(), total];
    else if (performance.now() - since > HUNG_MS) reject(new Hung("Pebble hangs"));
  };
  const timer = setInterval(() => void look().catch(() => {}), LOOK_MS);
  return { hung, stop: () => clearInterval(timer) };
}

interface Place {
  readonly home: string;
  readonly port: number;
  readonly socket: string;
  readonly upstream: string;
}

function configuration({ home, port, socket, upstream }: Place): string {
  return `global
  stats socket ${socket} mode 600 level admin
defaults
  mode http
  timeout client 5m
  timeout server 5m
  timeout queue 5m
  timeout connect 5s
frontend acme
  bind 127.0.0.1:${port} ssl crt ${home}/front.pem alpn h2,http/1.1
  http-request track-sc0 path,word(1,/) table counts
  default_backend ca
backend ca
  http-reuse always
  server ca ${upstream} ssl ca-file ${home}/ca.pem maxconn 1
backend counts
  stick-table type string len 32 size 1k store http_req_cnt
`;
}

function counted(table: string): Requests {
  const counts = new Map(
    [...table.matchAll(/ key=(\S+) .*http_req_cnt=(\d+)/g)].map(([, key = "", count]) => [key, Number(count)]),
  );
  return {
    all: [...counts.values()].reduce((sum, count) => sum + count, 0),
    newNonce: counts.get(NEW_NONCE) ?? 0,
    newOrder: counts.get(NEW_ORDER) ?? 0,
  };
}

async function ask(path: string, command: string): Promise<string> {
  const socket = connect({ path });
  socket.end(`${command}\n`);
  return text(socket);
}
