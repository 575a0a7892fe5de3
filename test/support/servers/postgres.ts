import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { globSync } from "node:fs";
import { appendFile, chown, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { IssuedPair } from "../ca/pki.ts";
import { freePort } from "../freePort.ts";
import { type Layout, pairPaths, type SystemUser, writePair } from "../pairs/pairDirectory.ts";
import { systemUser } from "../system/systemUser.ts";
import { type Databases, databasesOf } from "./postgresDatabases.ts";

const STOP_TIMEOUT_MS = 10_000;
const PASSWORD = "planted-database-password";

export interface PostgresOptions {
  /** Serve TLS with this pair from `tlsDirectory`. */
  readonly tls?: { readonly pair: IssuedPair; readonly layout: Layout };
}

export interface Postgres extends AsyncDisposable, Databases {
  readonly port: number;
  readonly dataDirectory: string;
  readonly tlsDirectory: string;
  /** The password in every URL, for tests that look where it must not be. */
  readonly password: string;
  /** As clients see a server that goes away: its connections end with an error. */
  stop(): Promise<void>;
  /** On the same port, with the same data. */
  restart(): Promise<void>;
}

/** A real PostgreSQL in a temporary directory, on a free port of 127.0.0.1. One per test file is enough. */
export async function startPostgres({ tls }: PostgresOptions = {}): Promise<Postgres> {
  const binaries = await findBinaries();
  const owner = await serverUser();
  const directory = await mkdtemp(join(tmpdir(), "renewd-postgres-"));
  let server: ChildProcess | null = null;
  const stop = async (signal: ShutDown = "SIGINT"): Promise<void> => {
    if (server !== null) await end(server, signal);
    server = null;
  };
  const dispose = async (): Promise<void> => {
    await stop("SIGQUIT");
    await rm(directory, { recursive: true, force: true });
  };
  try {
    if (owner !== null) await chown(directory, owner.uid, owner.gid);
    await initialise(binaries, directory, owner);
    const [dataDirectory, tlsDirectory] = [join(directory, "data"), join(directory, "tls")];
    if (tls !== undefined) {
      await writePair(tlsDirectory, tls.pair, owner ?? undefined);
      const [certificate, key] = pairPaths(tlsDirectory, tls.layout).files;
      await appendFile(
        join(dataDirectory, "postgresql.conf"),
        `ssl = on\nssl_cert_file = '${certificate}'\nssl_key_file = '${key}'\n`,
      );
    }
    const port = await freePort();
    server = await serve(binaries, directory, port, owner);
    return {
      port,
      dataDirectory,
      tlsDirectory,
      password: PASSWORD,
      ...databasesOf(`postgresql://renewd:${PASSWORD}@127.0.0.1:${port}`),
      stop: () => stop(),
      async restart() {
        await stop();
        server = await serve(binaries, directory, port, owner);
      },
      [Symbol.asyncDispose]: dispose,
    };
  } catch (thrown) {
    await dispose();
    throw thrown;
  }
}

async function findBinaries(): Promise<string> {
  const newestLast = globSync("/usr/lib/postgresql/*/bin/initdb").sort((a, b) =>
    a.localeCompare(b, "en", { numeric: true }),
  );
  const initdb =
    newestLast.at(-1) ?? process.env.PATH?.split(":").flatMap((folder) => globSync(join(folder, "initdb")))[0];
  if (initdb === undefined) throw new Error("PostgreSQL is not installed: run scripts/bootstrap.sh test");
  return initdb.slice(0, -"/initdb".length);
}

/** PostgreSQL refuses to run as root; Debian's package brings the user `postgres`. null: as ourselves. */
async function serverUser(): Promise<SystemUser | null> {
  return process.getuid?.() === 0 ? await systemUser("postgres") : null;
}

async function initialise(binaries: string, directory: string, owner: SystemUser | null): Promise<void> {
  const passwordFile = join(directory, "password");
  await writeFile(passwordFile, `${PASSWORD}\n`, { mode: 0o644 });
  // Data that lives as long as a test needs no fsync.
  const args = [
    "-D",
    join(directory, "data"),
    "--username=renewd",
    "--auth=scram-sha-256",
    `--pwfile=${passwordFile}`,
    "--encoding=UTF8",
    "--no-sync",
  ];
  const initdb = spawn(join(binaries, "initdb"), args, {
    ...owner,
    cwd: directory,
    stdio: ["ignore", "ignore", "pipe"],
  });
  const output = collect(initdb);
  const [code] = await once(initdb, "exit");
  if (code !== 0) throw new Error(`initdb failed: ${output.text}`);
}

async function serve(
  binaries: string,
  directory: string,
  port: number,
  owner: SystemUser | null,
): Promise<ChildProcess> {
  const settings = [
    "listen_addresses=127.0.0.1",
    `port=${port}`,
    `unix_socket_directories=${directory}`,
    // Data that lives as long as a test needs no log to recover from and no cleaning.
    "fsync=off",
    "full_page_writes=off",
    "wal_level=minimal",
    "max_wal_senders=0",
    "autovacuum=off",
    "max_connections=60",
  ];
  const args = ["-D", join(directory, "data"), ...settings.flatMap((setting) => ["-c", setting])];
  const server = spawn(join(binaries, "postgres"), args, {
    ...owner,
    cwd: directory,
    stdio: ["ignore", "ignore", "pipe"],
  });
  // A test run that is cut short must not leave a server behind.
  const killed = (): void => void server.kill("SIGQUIT");
  process.once("exit", killed);
  server.once("exit", () => process.off("exit", killed));
  const output = collect(server);
  await new Promise<void>((resolve, reject) => {
    server.stderr?.on("data", () => output.text.includes("ready to accept connections") && resolve());
    server.once("exit", () => reject(new Error(`PostgreSQL did not start: ${output.text}`)));
  });
  return server;
}

function collect(child: ChildProcess): { text: string } {
  const output = { text: "" };
  child.stderr?.setEncoding("utf8").on("data", (chunk: string) => {
    output.text = (output.text + chunk).slice(-20_000);
  });
  return output;
}

/** SIGINT ends sessions and writes everything to the files. SIGQUIT does not: for data that nobody reads again. */
type ShutDown = "SIGINT" | "SIGQUIT";

async function end(server: ChildProcess, signal: ShutDown): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const exited = once(server, "exit");
  server.kill(signal);
  const forced = setTimeout(() => server.kill("SIGKILL"), STOP_TIMEOUT_MS);
  await exited;
  clearTimeout(forced);
}
