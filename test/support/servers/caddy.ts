// Starts a real Caddy on a loopback port of its own, from a JSON configuration file as `caddy run --config` reads it.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { freePort, onFreePorts } from "../freePort.ts";
import { until } from "../until.ts";

export interface CaddyOptions {
  /** By file name without `.pem`: what the configuration names, each a file of `directory` with key and certificate. */
  readonly certificates: Readonly<Record<string, { readonly certPem: string; readonly keyPem: string }>>;
  /** Hosts the admin API's TCP listener accepts in `Host`. Default: its own. */
  readonly origins?: readonly string[];
  /** The admin API listens on a port instead of a UNIX socket. */
  readonly tcp?: boolean;
}

export interface Caddy extends AsyncDisposable {
  /** Serves TLS for whatever certificates it has. */
  readonly port: number;
  readonly directory: string;
  /** As the option `admin` wants it. */
  readonly admin: string;
  /** Its whole configuration, as it runs now. */
  config(): Promise<unknown>;
  /** Ends it and starts it again from its configuration file. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

export async function startCaddy(options: CaddyOptions): Promise<Caddy> {
  return onFreePorts(() => start(options));
}

async function start({ certificates, origins, tcp }: CaddyOptions): Promise<Caddy> {
  const home = await mkdtemp(join(tmpdir(), "renewd-caddy-"));
  const directory = join(home, "certs");
  const [port, adminPort] = [await freePort(), await freePort()];
  const admin = tcp ? `127.0.0.1:${adminPort}` : join(home, "admin.sock");
  await mkdir(directory);
  for (const [name, pair] of Object.entries(certificates))
    await writeFile(join(directory, `${name}.pem`), pair.keyPem + pair.certPem, { mode: 0o600 });
  const files = Object.keys(certificates).map((name) => join(directory, `${name}.pem`));
  const config = {
    admin: { listen: tcp ? admin : `unix/${admin}`, ...(origins && { origins }) },
    storage: { module: "file_system", root: join(home, "data") },
    apps: {
      http: {
        servers: {
          tls: {
            listen: [`127.0.0.1:${port}`],
            protocols: ["h1", "h2"],
            automatic_https: { disable: true },
            tls_connection_policies: [{}],
            routes: [{ handle: [{ handler: "static_response", body: "ok" }] }],
          },
        },
      },
      ...(files.length > 0 && {
        tls: { certificates: { load_files: files.map((file) => ({ certificate: file, key: file })) } },
      }),
    },
  };
  await writeFile(join(home, "caddy.json"), JSON.stringify(config));
  const ask = (): Promise<string> => get(admin, origins?.[0]);
  let child = await run(home, ask);
  const stop = async (): Promise<void> => {
    await end(child);
    await rm(home, { recursive: true, force: true });
  };
  return {
    ...{ port, directory, admin, stop },
    config: async () => JSON.parse(await ask()),
    async restart() {
      await end(child);
      child = await run(home, ask);
    },
    [Symbol.asyncDispose]: stop,
  };
}

async function run(home: string, ask: () => Promise<string>): Promise<ChildProcess> {
  const env = {
    PATH: process.env.PATH,
    HOME: home,
    XDG_CONFIG_HOME: join(home, "config"),
    XDG_DATA_HOME: join(home, "data"),
  };
  const child = spawn("caddy", ["run", "--config", join(home, "caddy.json")], {
    stdio: ["ignore", "ignore", "pipe"],
    env,
  });
  let output = "";
  child.stderr.on("data", (chunk: Buffer) => {
    output = (output + chunk.toString()).slice(-4096);
  });
  let failure: Error | null = null;
  child.once("error", (cause) => {
    failure = new Error("caddy is not installed: run scripts/bootstrap.sh", { cause });
  });
  child.once("exit", () => {
    failure ??= new Error(`caddy did not start: ${output}`);
  });
  try {
    await until("caddy to start", async () => {
      if (failure !== null) throw failure;
      return await ask().catch(() => null);
    });
  } catch (error) {
    await end(child);
    throw error;
  }
  return child;
}

async function get(admin: string, host: string | undefined): Promise<string> {
  const [name, port] = admin.split(":");
  const at = admin.startsWith("/")
    ? { socketPath: admin, setHost: false, headers: { host: "" } }
    : { host: name, port, headers: host ? { host } : {} };
  const call = request({ ...at, path: "/config/", agent: false }).end();
  const [answer] = await once(call, "response");
  return await text(answer);
}

async function end(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGTERM");
  const force = setTimeout(() => child.kill("SIGKILL"), 5_000);
  await exited;
  clearTimeout(force);
}
