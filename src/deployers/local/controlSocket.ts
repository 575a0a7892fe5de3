import { readProc } from "../../process/procFile.ts";
import { sharedReading } from "../../process/sharedReading.ts";
import { LISTENING, listenersAtPath, processes, socketsAt, socketsOf } from "../../process/sockets.ts";

/**
 * The process of this machine that listens at a server's control socket: `host:port` of this machine, or a path. null:
 * several, none, or this user may not know. `programs`: names it may have, as in /proc/PID/comm.
 */
export async function controlProcess(socket: string, programs: readonly string[]): Promise<number | null> {
  const listeners = await listenersAt(socket);
  if (listeners === null || listeners.length === 0) return null;
  const found: { readonly pid: number; readonly held: ReadonlySet<number> }[] = [];
  for (const pid of processes()) {
    if (!programs.includes(readProc(`/proc/${pid}/comm`).trim())) continue;
    const held = socketsOf(pid);
    if (held === null) return null;
    if (listeners.some((inode) => held.has(inode))) found.push({ pid, held });
  }
  const [only, ...others] = found;
  if (only === undefined || others.length > 0) return null;
  return listeners.every((inode) => only.held.has(inode)) ? only.pid : null;
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
