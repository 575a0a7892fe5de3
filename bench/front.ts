// HAProxy before a CA, alike for every contender: one request at a time towards the CA, as Pebble 2.4 can hang with
// many in flight and some clients have no limit of their own; and it counts what is asked, by the first part of the path.
import { mkdtemp, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
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
}

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
  return {
    directory: `https://127.0.0.1:${started.port}/dir`,
    trustPem: root.certPem,
    httpPort: pebble.httpPort,
    requests: async () => counted(await ask(started.socket, "show table counts")),
    [Symbol.asyncDispose]: () => started.server.stop(),
  };
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
