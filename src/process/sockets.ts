// Sockets of this machine's network namespace and the processes that hold them, as /proc tells (proc(5)).
import { closeSync, openSync, readdirSync, readlinkSync, readSync } from "node:fs";
import { isIPv6, SocketAddress } from "node:net";
import { endianness } from "node:os";
import { setImmediate as nextTurn } from "node:timers/promises";
import { readProc } from "./procFile.ts";

/** The kernel's numbers (include/net/tcp_states.h). A UDP socket that waits for anybody is "closed". */
export const ESTABLISHED = "01";
export const LISTENING = "0A";
export const UNCONNECTED = "07";
const SHOWN = [ESTABLISHED, LISTENING, UNCONNECTED].join("|");
/** Without those that are closing, of which a busy server leaves thousands. */
const SHOWN_ROW = new RegExp(`^ *\\d+: \\S+ \\S+ (?:${SHOWN}) .*\\n`, "gm");
/** Of a path: with `__SO_ACCEPTCON`, as proc_net_unix(5) has it. */
const LISTENING_ROW = /^\S+ \S+ \S+ 00010000 .*\n/gm;

export interface SocketEntry {
  /** As Node writes it, an IPv4 address that is mapped into IPv6 as IPv4. */
  readonly address: string;
  readonly peer: string;
  readonly peerPort: number;
  readonly state: string;
  /** 0: no process holds it, as when it waits to be accepted. */
  readonly inode: number;
}

/** Some 14,000 sockets. Reading more each time would slow the machine down. */
const TABLE_BYTES_MAX = 2 * 1024 * 1024;
const READ_BYTES = 64 * 1024;
/**
 * The kernel gives a page of whole rows at a time, of 4 KiB or more; a row takes less than 512 bytes. What is shorter is
 * the last part. To be told so once more costs as much as reading: it walks all its sockets again to find no more.
 */
const LAST_PART_BYTES_MAX = 4096 - 512;
/** Of all processes together. */
const FILES_MAX = 200_000;
/** Reading /proc does not wait for anything, but others must have their turn too. */
const TURN_MS = 2;

/** Beside IPv4 an IPv6 table, which also has the IPv4 connections of IPv6 listeners. */
export type Table = "tcp" | "tcp6" | "udp" | "udp6";

/**
 * The sockets whose own port this is. null: the table is not readable, or too long. The kernel walks all its sockets
 * for it, which takes milliseconds: ask for several at once.
 */
export async function socketsAt(port: number, table: Table): Promise<readonly SocketEntry[] | null> {
  const text = await readRows(`/proc/net/${table}`, SHOWN_ROW);
  return text === null ? null : parseSockets(text, port);
}

/** Those whose own port it is, of all TCP sockets that there were. */
export type TcpSockets = (port: number) => readonly SocketEntry[];

/** null: as for one table. */
export async function tcpSockets(): Promise<TcpSockets | null> {
  const [four, six] = await Promise.all([readRows("/proc/net/tcp", SHOWN_ROW), readRows("/proc/net/tcp6", SHOWN_ROW)]);
  return four === null || six === null ? null : (port) => [...parseSockets(four, port), ...parseSockets(six, port)];
}

/**
 * The rows of a table that match. null: too long, or not readable. A kernel without IPv6 has an empty table of it. Read
 * asynchronously, each page would wait for a turn of a busy process, and all together for a tenth of a second.
 */
async function readRows(path: string, wanted: RegExp): Promise<string | null> {
  const turn = takingTurns();
  try {
    using file = openToRead(path);
    const buffer = Buffer.allocUnsafe(READ_BYTES);
    let [rows, read] = ["", 0];
    for (;;) {
      await turn();
      const bytes = readSync(file.fd, buffer);
      for (const row of buffer.toString("latin1", 0, bytes).match(wanted) ?? []) rows += row;
      if (bytes <= LAST_PART_BYTES_MAX) return rows;
      read += bytes;
      if (read > TABLE_BYTES_MAX) return null;
    }
  } catch (error) {
    return isGone(error) && path.endsWith("6") ? "" : null;
  }
}

function takingTurns(): () => Promise<void> {
  let endsAt = performance.now() + TURN_MS;
  return async () => {
    if (performance.now() < endsAt) return;
    await nextTurn();
    endsAt = performance.now() + TURN_MS;
  };
}

function openToRead(path: string): Disposable & { readonly fd: number } {
  const fd = openSync(path, "r");
  return { fd, [Symbol.dispose]: () => closeSync(fd) };
}

/** `text`: rows as in /proc/net/tcp. */
export function parseSockets(text: string, port: number): SocketEntry[] {
  const own = port.toString(16).toUpperCase().padStart(4, "0");
  const row = new RegExp(
    `^ *\\d+: ([0-9A-F]+):${own} ([0-9A-F]+):([0-9A-F]{4}) (${SHOWN}) \\S+ \\S+ \\S+ +\\d+ +\\d+ (\\d+) `,
    "gm",
  );
  const sockets = Array.from(text.matchAll(row), ([, local = "", peer = "", peerPort = "", state = "", inode]) => ({
    address: addressOf(local),
    peer: addressOf(peer),
    peerPort: Number.parseInt(peerPort, 16),
    state,
    inode: Number(inode),
  }));
  // While others come and go the kernel may list one twice.
  const held = new Map(sockets.filter(({ inode }) => inode !== 0).map((socket) => [socket.inode, socket]));
  return [...held.values(), ...sockets.filter(({ inode }) => inode === 0)];
}

/** The kernel prints 32-bit words in the machine's own order. */
function addressOf(hex: string): string {
  const words = Buffer.from(hex, "hex");
  const bytes = endianness() === "LE" ? words.swap32() : words;
  if (bytes.length === 4) return bytes.join(".");
  const text = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2).toString(16)).join(":");
  return canonical(text);
}

/** One text for each address, without a zone. */
export function canonical(address: string): string {
  if (!isIPv6(address)) return address;
  const [bare = ""] = address.split("%");
  const text = new SocketAddress({ address: bare, family: "ipv6" }).address;
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(text)?.[1] ?? text;
}

/**
 * Inodes of sockets that listen at a path. null: not readable. HAProxy binds `PATH.PID.tmp` and renames it, which the
 * kernel does not note.
 */
export async function listenersAtPath(path: string): Promise<readonly number[] | null> {
  const rows = await readRows("/proc/net/unix", LISTENING_ROW);
  if (rows === null) return null;
  return rows.split("\n").flatMap((row) => {
    const [, , , , , , inode, ...rest] = row.trim().split(/ +/);
    const bound = rest.join(" ");
    if (!bound.startsWith(path)) return [];
    return /^(\.\d+\.tmp)?$/.test(bound.slice(path.length)) ? [Number(inode)] : [];
  });
}

/** Inodes of the sockets that a process holds. null: it has ended, or this user may not know. */
export function socketsOf(pid: number): ReadonlySet<number> | null {
  const directory = `/proc/${pid}/fd`;
  try {
    return new Set(readdirSync(directory).flatMap((fd) => socketOf(`${directory}/${fd}`)));
  } catch {
    return null;
  }
}

function socketOf(path: string): number[] {
  try {
    const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(path))?.[1];
    return inode === undefined ? [] : [Number(inode)];
  } catch (error) {
    if (isGone(error)) return [];
    throw error;
  }
}

export function processes(): readonly number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

/** Which processes hold each socket. null: this user may not see all of them. */
export async function socketHolders(): Promise<ReadonlyMap<number, readonly number[]> | null> {
  if (hidesProcesses()) return null;
  const holders = new Map<number, number[]>();
  let files = 0;
  const turn = takingTurns();
  for (const pid of processes()) {
    await turn();
    try {
      const directory = `/proc/${pid}/fd`;
      const open = readdirSync(directory);
      files += open.length;
      if (files > FILES_MAX) return null;
      for (const inode of new Set(open.flatMap((fd) => socketOf(`${directory}/${fd}`))))
        holders.set(inode, [...(holders.get(inode) ?? []), pid]);
    } catch (error) {
      if (!isGone(error)) return null;
    }
  }
  return holders;
}

/** proc(5): `hidepid` leaves out the processes of other users. */
function hidesProcesses(): boolean {
  const mounts = readProc("/proc/self/mountinfo");
  return mounts === "" || / \/proc .* - proc .*\bhidepid=(?!0|off)/.test(mounts);
}

/** It ended meanwhile. */
function isGone(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ESRCH");
}
