import { readdir, readFile, readlink } from "node:fs/promises";
import { RenewalError } from "../domain/errors.ts";
import { sanitize } from "../domain/text.ts";

type Protocol = "tcp" | "udp";

/** Kernel's state of a socket that waits for others. */
const WAITING: Readonly<Record<Protocol, string>> = { tcp: "0A", udp: "07" };
const CONFIG_OPTION = /^(?:-c|--config)(?:=(.*))?$/s;
const NAMED_MAX = 3;
/** A server listens before it opens many connections. */
const OPEN_FILES_MAX = 512;

/**
 * Which processes of this machine listen on a port, but for `ours`: `process 4242 with /etc/renewd/other.yaml`, or
 * `process 4242 (nginx)`. null: nobody else, or this user may not know.
 */
export async function portHolders(port: number, ours: ReadonlySet<number>): Promise<string | null> {
  const [tcp, udp] = await Promise.all([listeningSockets(port, "tcp"), listeningSockets(port, "udp")]);
  const sockets = tcp.union(udp);
  if (sockets.size === 0) return null;
  const pids = (await readdir("/proc").catch(() => [])).filter((name) => /^\d+$/.test(name)).map(Number);
  const found: string[] = [];
  for (const pid of pids)
    if (!ours.has(pid) && found.length < NAMED_MAX && (await holdsOne(pid, sockets))) found.push(await described(pid));
  return found.length === 0 ? null : found.join(", ");
}

/** The same error, which also says who has the port. */
export async function withHolder(error: RenewalError, port: number): Promise<RenewalError> {
  const holders = await portHolders(port, new Set([process.pid]));
  if (holders === null) return error;
  return new RenewalError(error.code, `${error.message}. That is ${holders}`, { cause: error.cause });
}

async function listeningSockets(port: number, protocol: Protocol): Promise<ReadonlySet<string>> {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const tables = await Promise.all(
    ["", "6"].map((family) => readFile(`/proc/net/${protocol}${family}`, "latin1").catch(() => "")),
  );
  const rows = tables.flatMap((table) => table.split("\n").map((line) => line.trim().split(/\s+/)));
  const own = rows.filter((row) => row[1]?.endsWith(suffix) === true && row[3] === WAITING[protocol]);
  return new Set(own.map((row) => `socket:[${row[9]}]`));
}

async function holdsOne(pid: number, sockets: ReadonlySet<string>): Promise<boolean> {
  const directory = `/proc/${pid}/fd`;
  const open = await readdir(directory).catch(() => []);
  const first = open.slice(0, OPEN_FILES_MAX);
  const links = await Promise.all(first.map((fd) => readlink(`${directory}/${fd}`).catch(() => "")));
  return links.some((link) => sockets.has(link));
}

/** Nothing else of its arguments: they may hold a secret. */
async function described(pid: number): Promise<string> {
  const args = (await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")).split("\0");
  const at = args.findIndex((arg) => CONFIG_OPTION.test(arg));
  const file = at < 0 ? undefined : (CONFIG_OPTION.exec(args[at] ?? "")?.[1] ?? args[at + 1]);
  if (file !== undefined && file !== "") return `process ${pid} with ${sanitize(file, 200)}`;
  const name = (await readFile(`/proc/${pid}/comm`, "utf8").catch(() => "")).trim();
  return name === "" ? `process ${pid}` : `process ${pid} (${sanitize(name, 40)})`;
}
