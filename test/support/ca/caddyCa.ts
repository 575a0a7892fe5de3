// Starts Caddy's `acme_server` (smallstep's ACME): a CA that is not Pebble. It dials real port 80 of what the system's
// resolver says, so it gets a network of its own and an /etc/hosts of its own. Sockets in the file system lead in and
// out: they are the only thing both sides see.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { connect, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "../until.ts";

export interface CaddyCa extends AsyncDisposable {
  readonly directory: string;
  /** PEM of the root, below which Caddy issues its own certificate too. */
  readonly trustPem: string;
  stop(): Promise<void>;
}

export interface CaddyCaOptions {
  /** Loopback port of the http-01 responder. */
  readonly httpPort: number;
  /** DNS names that the CA finds at that responder. No other name exists for it. */
  readonly names: readonly string[];
}

const READY_TIMEOUT_MS = 20_000;
/** Creates the namespaces, which needs root, and becomes Caddy itself: one process to stop. */
const INSIDE = 'ip link set lo up && mount --bind "$1" /etc/hosts && exec caddy run --config "$2"';

export async function startCaddyCa({ httpPort, names }: CaddyCaOptions): Promise<CaddyCa> {
  const home = await mkdtemp(join(tmpdir(), "renewd-caddy-ca-"));
  const [acmeSocket, challengeSocket] = [join(home, "acme.sock"), join(home, "http01.sock")];
  const [hosts, config] = [join(home, "hosts"), join(home, "caddy.json")];
  await writeFile(hosts, `127.0.0.1 localhost ${names.join(" ")}\n`);
  await writeFile(config, JSON.stringify(configuration(home, acmeSocket, challengeSocket)));
  const challenges = await forward({ path: challengeSocket }, { port: httpPort });
  const acme = await forward({ port: 0 }, { path: acmeSocket });
  const child = spawn("unshare", ["--net", "--mount", "bash", "-c", INSIDE, "bash", hosts, config], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  const keep = (chunk: Buffer | Error): void => {
    output = (output + chunk.toString()).slice(-4000);
  };
  for (const stream of [child.stdout, child.stderr]) stream.on("data", keep);
  child.on("error", keep);
  const kill = (): void => void child.kill("SIGKILL");
  process.once("exit", kill);
  const stop = async (): Promise<void> => {
    process.off("exit", kill);
    if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) {
      const exited = once(child, "exit");
      child.kill("SIGKILL");
      await exited;
    }
    await Promise.all([acme.close(), challenges.close()]);
    await rm(home, { recursive: true, force: true });
  };
  const rootFile = join(home, "data/pki/authorities/local/root.crt");
  const ownCertificate = join(home, "data/certificates/local/localhost/localhost.crt");
  try {
    const trustPem = await until(
      "Caddy's root, its own certificate and its socket",
      async () => {
        if (child.pid === undefined || child.exitCode !== null)
          throw new Error(`Caddy ended at once; scripts/bootstrap.sh test installs it: ${output}`);
        const accepts = await reachable(acmeSocket);
        const [root, own] = await Promise.all(
          [rootFile, ownCertificate].map((file) => readFile(file, "utf8").catch(() => null)),
        );
        return accepts && own && root ? root : null;
      },
      READY_TIMEOUT_MS,
    );
    return {
      directory: `https://localhost:${acme.port}/acme/local/directory`,
      trustPem,
      stop,
      [Symbol.asyncDispose]: stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

function configuration(home: string, acmeSocket: string, challengeSocket: string): object {
  const server = (listen: string, handler: object, more: object = {}): object => ({
    listen: [listen],
    automatic_https: { disable: true },
    routes: [{ handle: [handler] }],
    ...more,
  });
  return {
    admin: { disabled: true },
    storage: { module: "file_system", root: join(home, "data") },
    apps: {
      pki: { certificate_authorities: { local: { install_trust: false } } },
      tls: {
        certificates: { automate: ["localhost"] },
        automation: { policies: [{ subjects: ["localhost"], issuers: [{ module: "internal" }] }] },
      },
      http: {
        servers: {
          acme: server(
            `unix/${acmeSocket}`,
            { handler: "acme_server", ca: "local" },
            { tls_connection_policies: [{}] },
          ),
          http01: server("127.0.0.1:80", {
            handler: "reverse_proxy",
            upstreams: [{ dial: `unix/${challengeSocket}` }],
          }),
        },
      },
    },
  };
}

type Place = { readonly port: number } | { readonly path: string };

interface Forwarding {
  readonly port: number;
  close(): Promise<void>;
}

/** Carries bytes both ways between a listener and wherever it leads. */
async function forward(from: Place, to: Place): Promise<Forwarding> {
  const sockets = new Set<{ destroy(): void }>();
  const server: Server = createServer((incoming) => {
    const outgoing = connect({ host: "127.0.0.1", ...to });
    for (const [socket, other] of [
      [incoming, outgoing],
      [outgoing, incoming],
    ] as const) {
      sockets.add(socket);
      socket.on("error", () => other.destroy());
      socket.on("close", () => sockets.delete(socket));
    }
    incoming.pipe(outgoing).pipe(incoming);
  });
  server.listen({ host: "127.0.0.1", ...from });
  await once(server, "listening");
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function reachable(path: string): Promise<boolean> {
  const socket = connect({ path });
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
