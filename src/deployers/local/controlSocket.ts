import { readFileSync } from "node:fs";
import { sharedReading } from "../../process/sharedReading.ts";
import { LISTENING, listenersAtPath, processes, socketsAt, socketsOf } from "../../process/sockets.ts";

/**
 * The process of this machine that listens at a server's control socket: `host:port` of this machine, or a path. null:
 * several, none, or this user may not know. `programs`: names it may have, as in /proc/PID/comm.
 */
export async function controlProcess(socket: string, programs: readonly string[]): Promise<number | null> {
  const listeners = await listenersAt(socket);
  if (listeners === null || listeners.length === 0) return null;
  const found: number[] = [];
  for (const pid of processes()) {
    if (!programs.includes(nameOf(pid))) continue;
    const held = socketsOf(pid);
    if (held === null) return null;
    if (listeners.some((inode) => held.has(inode))) found.push(pid);
  }
  const [pid, ...others] = found;
  const held = pid === undefined ? null : socketsOf(pid);
  return others.length === 0 && listeners.every((inode) => held?.has(inode)) ? (pid ?? null) : null;
}

/** The same for many certificates of one server, which ask at the same time. */
export function sharedControlProcess(socket: string, programs: readonly string[]): () => Promise<number | null> {
  return sharedReading(() => controlProcess(socket, programs));
}

async function listenersAt(socket: string): Promise<readonly number[] | null> {
  if (socket.startsWith("/")) return await listenersAtPath(socket);
  const port = Number(socket.slice(socket.lastIndexOf(":") + 1));
  const [four, six] = await Promise.all([socketsAt(port, "tcp"), socketsAt(port, "tcp6")]);
  if (four === null || six === null) return null;
  return [...four, ...six].filter(({ state }) => state === LISTENING).map(({ inode }) => inode);
}

/** Reading /proc waits for nothing, and asynchronously takes ten times as long. Empty: it has ended. */
function nameOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").trim();
  } catch {
    return "";
  }
}
