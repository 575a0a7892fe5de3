import { readFile } from "node:fs/promises";
import { RenewalError } from "../domain/errors.ts";
import { sanitize } from "../domain/text.ts";
import { LISTENING, processes, socketsAt, socketsOf, UNCONNECTED } from "../process/sockets.ts";

type Protocol = "tcp" | "udp";

/** Of a socket that waits for others. */
const WAITING: Readonly<Record<Protocol, string>> = { tcp: LISTENING, udp: UNCONNECTED };
const CONFIG_OPTION = /^(?:-c|--config)(?:=(.*))?$/s;
const NAMED_MAX = 3;

/**
 * Which processes of this machine listen on a port, but for `ours`: `process 4242 with /etc/renewd/other.yaml`, or
 * `process 4242 (nginx)`. null: nobody else, or this user may not know.
 */
export async function portHolders(port: number, ours: ReadonlySet<number>): Promise<string | null> {
  const [tcp, udp] = await Promise.all([listeningSockets(port, "tcp"), listeningSockets(port, "udp")]);
  const sockets = tcp.union(udp);
  if (sockets.size === 0) return null;
  const found: string[] = [];
  for (const pid of processes())
    if (!ours.has(pid) && found.length < NAMED_MAX && holdsOne(pid, sockets)) found.push(await described(pid));
  return found.length === 0 ? null : found.join(", ");
}

/** The same error, which also says who has the port. */
export async function withHolder(error: RenewalError, port: number): Promise<RenewalError> {
  const holders = await portHolders(port, new Set([process.pid]));
  if (holders === null) return error;
  return new RenewalError(error.code, `${error.message}. That is ${holders}`, { cause: error.cause });
}

async function listeningSockets(port: number, protocol: Protocol): Promise<ReadonlySet<number>> {
  const sockets = await Promise.all([socketsAt(port, protocol), socketsAt(port, `${protocol}6`)]);
  return new Set(
    sockets
      .flatMap((found) => found ?? [])
      .filter(({ state }) => state === WAITING[protocol])
      .map(({ inode }) => inode),
  );
}

function holdsOne(pid: number, sockets: ReadonlySet<number>): boolean {
  return socketsOf(pid)?.isDisjointFrom(sockets) === false;
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
