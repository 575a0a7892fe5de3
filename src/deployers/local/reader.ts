import { readdir, readFile, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { RenewalError } from "../../domain/errors.ts";
import { readProc } from "../../process/procFile.ts";
import { type Attributes, canEnter, canRead, modeText, type Reader } from "./attributes.ts";
import { hasAcl } from "./fileAccess.ts";
import { aclOf, readsByAcl } from "./fileReaders.ts";

/** Reads everything. */
const ROOT = 0;
/** Processes that are read in one turn of this one: others must have theirs. */
const READ_AT_ONCE = 50;

/** How a running server is found among the processes. */
export interface ServerProgram {
  /** Names the process may have, as in /proc/PID/comm. */
  readonly programs: readonly string[];
  /** Words that its command line contains, where several of its kind may run. */
  readonly words?: readonly string[];
  /** One of its processes. Left out: all of them must have the same user. */
  readonly pid?: number | null;
  /** It gives up root before it reads its key, at its start and at each reload. */
  readonly dropsRootFirst?: boolean;
}

interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly name: string;
  readonly uid: number;
  readonly gids: readonly number[];
}

/**
 * The user that reads the key when the running server starts again. null: not known, as when it does not run, runs in a
 * container of its own or elsewhere, or when several run for different users.
 */
export async function runningReader(server: ServerProgram, signal: AbortSignal): Promise<Reader | null> {
  const processes = await processesOf(server, signal);
  const readers: Reader[] = [];
  for (const master of mastersOf(processes, server.pid ?? null)) {
    if (!hasWords(master.pid, server.words ?? [])) continue;
    readers.push(await readerOf(master, server.dropsRootFirst === true));
  }
  const [first, ...others] = readers;
  return first !== undefined && others.every(({ uid }) => uid === first.uid) ? first : null;
}

/**
 * Throws `deploy.forbidden` when this process may not send the running server the signal of its reload. Says nothing of
 * a server that is not seen, such as one in a container.
 */
export async function requireSignal(server: ServerProgram, signal: AbortSignal): Promise<void> {
  const masters = mastersOf(await processesOf(server, signal), server.pid ?? null);
  for (const { pid, name } of masters) {
    if (!hasWords(pid, server.words ?? []) || maySignal(pid)) continue;
    throw new RenewalError(
      "deploy.forbidden",
      `not allowed to signal ${name} (process ${pid}), so it cannot be reloaded: run renewd as root or as the user ` +
        "of that process, or let a deployer of its own with that right serve this target (`agent`)",
    );
  }
}

function maySignal(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return !(error instanceof Error && "code" in error && error.code === "EPERM");
  }
}

/** A master starts workers under another user, and only the master reads keys. */
function mastersOf(processes: readonly Process[], pid: number | null): readonly Process[] {
  const byPid = new Map(processes.map((one) => [one.pid, one]));
  if (pid === null) return processes.filter(({ parent }) => !byPid.has(parent));
  let master = byPid.get(pid);
  for (let above = master; above !== undefined; above = byPid.get(above.parent)) master = above;
  return master === undefined ? [] : [master];
}

/**
 * The kernel gives the files in /proc/PID to root once a process has changed its user after its start. Such a server
 * was started by root and read its key then.
 */
async function readerOf({ pid, name, uid, gids }: Process, dropsRootFirst: boolean): Promise<Reader> {
  const startedBy = dropsRootFirst
    ? uid
    : await stat(`/proc/${pid}/stat`).then(
        (found) => found.uid,
        () => uid,
      );
  const user = startedBy === uid ? uid : startedBy;
  return { uid: user, gids: user === uid ? gids : [], name: `${await userName(user)} (${name}, process ${pid})` };
}

function processesOf({ programs, pid }: ServerProgram, signal: AbortSignal): Promise<Process[]> {
  return pid === undefined || pid === null
    ? processesNamed(programs, signal)
    : Promise.resolve(processesAbove(pid, programs));
}

async function processesNamed(programs: readonly string[], signal: AbortSignal): Promise<Process[]> {
  const entries = await readdir("/proc").catch(() => []);
  const found: Process[] = [];
  for (const [index, entry] of entries.filter((name) => /^\d+$/.test(name)).entries()) {
    if (index % READ_AT_ONCE === 0) await nextTurn();
    signal.throwIfAborted();
    const process = readProcess(Number(entry));
    if (process !== null && programs.includes(process.name)) found.push(process);
  }
  return found;
}

/** This process and those above it that have one of these names: a machine may run thousands of others. */
function processesAbove(pid: number, programs: readonly string[]): Process[] {
  const process = readProcess(pid);
  if (process === null || !programs.includes(process.name)) return [];
  return [process, ...processesAbove(process.parent, programs)];
}

function readProcess(pid: number): Process | null {
  return parseStatus(readProc(`/proc/${pid}/status`));
}

/** proc_pid_status(5). null: it has ended, or it belongs to a container, where the same user number is another user. */
function parseStatus(text: string): Process | null {
  const value = (field: string): string => new RegExp(`^${field}:\\t(.*)$`, "m").exec(text)?.[1]?.trim() ?? "";
  const numbers = (field: string): number[] =>
    value(field)
      .split(/\s+/)
      .filter((part) => part !== "")
      .map(Number);
  const [, uid] = numbers("Uid");
  const [, gid] = numbers("Gid");
  const [pid] = numbers("Pid");
  const [parent] = numbers("PPid");
  if (uid === undefined || gid === undefined || pid === undefined || parent === undefined) return null;
  if (numbers("NSpid").length > 1 || value("State").startsWith("Z")) return null;
  return { pid, parent, name: value("Name"), uid, gids: [gid, ...numbers("Groups")] };
}

function hasWords(pid: number, words: readonly string[]): boolean {
  if (words.length === 0) return true;
  const line = readProc(`/proc/${pid}/cmdline`);
  return words.every((word) => line.includes(word));
}

async function userName(uid: number): Promise<string> {
  if (uid === ROOT) return "root";
  const lines = (await readFile("/etc/passwd", "utf8").catch(() => "")).split("\n");
  return lines.find((line) => line.split(":")[2] === String(uid))?.split(":")[0] ?? `uid ${uid}`;
}

/** A key as it will be, or is. */
export interface KeyAccess {
  /** As this process reaches it. */
  readonly at: string;
  /** Its final path. */
  readonly path: string;
  readonly attributes: Attributes;
}

/** Why `reader` cannot read the key, with the fix; null: it can, or an ACL that `getfacl` is missing for may let it. */
export async function unreadable(reader: Reader, { at, path, attributes }: KeyAccess): Promise<string | null> {
  if (reader.uid === ROOT) return null;
  const { uid, gid, mode } = attributes;
  if (!(await mayRead(reader, at, attributes))) {
    return (
      `${path} belongs to ${uid}:${gid} with mode ${modeText(mode)}, so ${reader.name} cannot read it at its next ` +
      "start: set `owner`, or `group` and `mode`, on this target"
    );
  }
  for (let directory = dirname(path); ; directory = dirname(directory)) {
    const found = await stat(directory).catch(() => null);
    if (found !== null && !canEnter(reader, found) && !(await mayHaveAcl(directory, found)))
      return `${reader.name} cannot enter ${directory} (mode ${modeText(found.mode)}), so it cannot read ${path}`;
    if (directory === dirname(directory)) return null;
  }
}

async function mayRead(reader: Reader, at: string, attributes: Attributes): Promise<boolean> {
  if (!(await mayHaveAcl(at, attributes))) return canRead(reader, attributes);
  const acl = await aclOf(at);
  return acl === null || readsByAcl(reader, attributes, acl);
}

/** An ACL gives nobody anything where its mask, the group's bits, is zero. */
async function mayHaveAcl(at: string, { mode }: Attributes): Promise<boolean> {
  return (mode & 0o070) !== 0 && (await hasAcl(at)) !== false;
}

/** Throws `deploy.io`, before the swap, for a key that the server could not read at its next start. */
export async function requireReadable(reader: Reader | null, key: KeyAccess): Promise<void> {
  const problem = reader === null ? null : await unreadable(reader, key);
  if (problem !== null) throw new RenewalError("deploy.io", problem);
}
