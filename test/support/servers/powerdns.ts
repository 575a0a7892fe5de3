// PowerDNS's authoritative server with its HTTP API, over a database of its own, on loopback.
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { ask } from "../../../src/solvers/dns/client.ts";
import { txtValues } from "../../../src/solvers/dns/propagation.ts";
import { freePort, onFreePorts } from "../freePort.ts";
import { until } from "../until.ts";

export interface PowerDns extends AsyncDisposable {
  /** Of the API. */
  readonly origin: string;
  readonly key: string;
  /** What resolvers get. */
  txt(name: string): Promise<string[]>;
  /** As another program with the same key does, through the API. */
  add(zone: string, name: string, value: string): Promise<void>;
}

const READY_MS = 20_000;
const SCHEMA = "/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql";
const INSTALL = "run scripts/bootstrap.sh test, or apt-get install pdns-server pdns-backend-sqlite3";

/** `zones`: name → kind, such as Native; each that is its own has one name server and a web server. */
export function startPowerDns(zones: Readonly<Record<string, "Native" | "Master" | "Slave">>): Promise<PowerDns> {
  return onFreePorts(() => start(zones));
}

async function start(zones: Readonly<Record<string, string>>): Promise<PowerDns> {
  const home = await mkdtemp(join(tmpdir(), "renewd-pdns-"));
  const [port, apiPort, key] = [await freePort(), await freePort(), randomBytes(24).toString("base64url")];
  await createDatabase(join(home, "pdns.db"));
  const child = spawn("pdns_server", settings({ home, port, apiPort, key }), { stdio: ["ignore", "pipe", "pipe"] });
  let printed = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => {
      printed = (printed + chunk.toString()).slice(-8_192);
    });
  child.once("error", (error) => {
    printed += `pdns_server: ${error.message}; ${INSTALL}`;
  });
  const kill = (): boolean => child.kill("SIGKILL");
  process.once("exit", kill);
  const stop = async (): Promise<void> => {
    process.off("exit", kill);
    if (child.exitCode === null && child.signalCode === null && child.pid !== undefined) {
      const gone = once(child, "exit");
      child.kill("SIGKILL");
      await gone;
    }
    await rm(home, { recursive: true, force: true });
  };
  const origin = `http://127.0.0.1:${apiPort}`;
  const call = async (method: string, path: string, body: unknown): Promise<number> => {
    const headers = { "x-api-key": key, "content-type": "application/json" };
    const { status } = await fetch(`${origin}/api/v1/servers/localhost${path}`, {
      ...{ method, headers },
      ...(body !== null && { body: JSON.stringify(body) }),
    });
    return status;
  };
  try {
    const isUp = async (): Promise<true | null> => {
      if (child.exitCode !== null || child.pid === undefined) throw new Error("it has ended");
      return (await call("GET", "", null).catch(() => 0)) === 200 ? true : null;
    };
    await until("pdns_server to answer", isUp, READY_MS);
    for (const [name, kind] of Object.entries(zones)) {
      const masters = kind === "Slave" ? ["127.0.0.1"] : [];
      const nameservers = kind === "Slave" ? [] : [`ns1.${name}.`];
      const address = { content: "192.0.2.1", disabled: false };
      const web = { name: `www.${name}.`, type: "A", ttl: 60, records: [address] };
      const rrsets = kind === "Slave" ? [] : [web];
      const status = await call("POST", "/zones", { name: `${name}.`, kind, masters, nameservers, rrsets });
      if (status !== 201) throw new Error(`zone ${name} was answered with ${status}`);
    }
  } catch (cause) {
    await stop();
    throw new Error(`pdns_server did not start: ${printed}`, { cause });
  }
  const place = { kind: "dns", address: "127.0.0.1", port } as const;
  return {
    origin,
    key,
    async txt(name) {
      const reply = await ask(place, { name, type: "TXT" }, { recurse: false }, AbortSignal.timeout(READY_MS));
      return txtValues(reply.answers);
    },
    async add(zone, name, value) {
      const records = [{ content: `"${value}"`, disabled: false }];
      const rrset = { name: `${name}.`, type: "TXT", changetype: "REPLACE", ttl: 60, records };
      const status = await call("PATCH", `/zones/${zone}.`, { rrsets: [rrset] });
      if (status !== 204) throw new Error(`${name} was answered with ${status}`);
    },
    [Symbol.asyncDispose]: stop,
  };
}

async function createDatabase(file: string): Promise<void> {
  const schema = await readFile(SCHEMA, "utf8").catch((cause: unknown) => {
    throw new Error(`PowerDNS's SQLite backend is not installed: ${INSTALL}`, { cause });
  });
  const database = new DatabaseSync(file);
  database.exec(schema);
  database.close();
}

interface Place {
  readonly home: string;
  readonly port: number;
  readonly apiPort: number;
  readonly key: string;
}

function settings({ home, port, apiPort, key }: Place): string[] {
  const values: Readonly<Record<string, string | number>> = {
    ...{ "config-dir": home, "socket-dir": home, daemon: "no", guardian: "no", "write-pid": "no" },
    ...{ launch: "gsqlite3", "gsqlite3-database": join(home, "pdns.db"), "gsqlite3-pragma-synchronous": 0 },
    ...{ "local-address": "127.0.0.1", "local-port": port },
    ...{ api: "yes", "api-key": key, webserver: "yes", "webserver-address": "127.0.0.1", "webserver-port": apiPort },
    // What was changed is served at once.
    ...{ "cache-ttl": 0, "query-cache-ttl": 0, "negquery-cache-ttl": 0, "zone-cache-refresh-interval": 0 },
    ...{ "receiver-threads": 1, "distributor-threads": 1 },
  };
  return Object.entries(values).map(([name, value]) => `--${name}=${value}`);
}
