import { setTimeout as delay } from "node:timers/promises";
import { canonical, ESTABLISHED, LISTENING, type SocketEntry, socketHolders, socketsAt, socketsOf } from "./sockets.ts";

/** Those who open connections together ask within this time, and share a reading. */
const GATHER_MS = 5;
/** Ports and processes; nothing is lost with one that is dropped but that two may read at once. */
const KEPT_MAX = 1_000;

export interface Place {
  readonly address: string;
  readonly port: number;
}

/** The two ends of a connection, as this process sees them. */
export interface Ends {
  readonly localAddress: string;
  readonly localPort: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
}

/** Who answers at addresses of this machine. */
export interface Neighbours {
  /**
   * Whether the process accepts every connection to the place, and nobody else does. False where this cannot be told:
   * elsewhere, and for a user that may not look into all processes.
   */
  isSoleServer(pid: number, place: Place): Promise<boolean>;
  /**
   * Whether the process holds the other end of an open connection. Nothing that stands between passes for it: not a
   * proxy, which holds the other end itself, and no translation of addresses, after which that end has other ones.
   */
  holdsOtherEnd(pid: number, ends: Ends): Promise<boolean>;
}

export function createNeighbours(): Neighbours {
  const holdersNow = shared(socketHolders);
  const socketsNow = sharedBy(
    (port: number, table: "tcp" | "tcp6") => `${table} ${port}`,
    (port, table) => socketsAt(port, table),
  );
  // Of a server with a thousand connections a thousand links are read.
  const heldNow = sharedBy(String, async (pid: number) => socketsOf(pid));
  return {
    async isSoleServer(pid, { address, port }) {
      const [four, six] = await Promise.all([socketsNow(port, "tcp"), socketsNow(port, "tcp6")]);
      if (four === null || six === null) return false;
      const sockets = [...four, ...six];
      // The process itself first: most often that is enough to say no.
      const own = socketsOf(pid);
      if (own === null || !mayBeSole(sockets, address, own)) return false;
      const seen = { sockets, address, holders: await holdersNow() };
      if (!isSole(pid, seen)) return false;
      const unseen = heldUnseen(seen);
      if (unseen.size === 0) return true;
      const later = await Promise.all([socketsNow(port, "tcp"), socketsNow(port, "tcp6")]);
      return later.every((table) => table?.every(({ inode, state }) => state !== ESTABLISHED || !unseen.has(inode)));
    },
    async holdsOtherEnd(pid, ends) {
      const find = async (table: "tcp" | "tcp6"): Promise<SocketEntry | null> =>
        otherEndOf(ends, (await socketsNow(ends.remotePort, table)) ?? []);
      const otherEnd = ends.remoteAddress.includes(":")
        ? await find("tcp6")
        : ((await find("tcp")) ?? (await find("tcp6")));
      return otherEnd !== null && (await heldNow(pid))?.has(otherEnd.inode) === true;
    },
  };
}

/** How exactly a listening socket names the address; the kernel prefers the most exact. */
type Listener = SocketEntry & { readonly rank: number };

/** What may accept a connection to the address: sockets bound to it and to any address, also of IPv6 for IPv4. */
function listenersFor(address: string, sockets: readonly SocketEntry[]): Listener[] {
  const ranks = [canonical(address), ...(address.includes(":") ? [] : ["0.0.0.0"]), "::"];
  return sockets
    .filter(({ state }) => state === LISTENING)
    .map((socket) => ({ ...socket, rank: ranks.indexOf(socket.address) }))
    .filter(({ rank }) => rank >= 0);
}

/**
 * `own`: the inodes that the process holds. Several listeners that are as exact share the connections (SO_REUSEPORT)
 * and may give each another certificate, even those of one process.
 */
function mayBeSole(sockets: readonly SocketEntry[], address: string, own: ReadonlySet<number>): boolean {
  const listeners = listenersFor(address, sockets);
  const first = Math.min(...listeners.map(({ rank }) => rank));
  return listeners.filter(({ rank }) => rank === first).length === 1 && listeners.every(({ inode }) => own.has(inode));
}

/**
 * A listener that was inherited or handed over, as to the next worker at a reload, has several holders. A process that
 * still holds connections of the place, as an old worker does that drains, accepted there a moment ago.
 */
export function isSole(pid: number, { sockets, address, holders }: Seen & { readonly address: string }): boolean {
  if (holders === null) return false;
  const own = new Set([...holders].filter(([, pids]) => pids.includes(pid)).map(([inode]) => inode));
  if (!mayBeSole(sockets, address, own)) return false;
  const isOnly = ({ inode }: SocketEntry): boolean => (holders.get(inode) ?? []).every((holder) => holder === pid);
  const connections = sockets.filter((socket) => socket.state === ESTABLISHED && socket.address === canonical(address));
  return [...listenersFor(address, sockets), ...connections].every(isOnly);
}

/**
 * Connections of the place that no process seen holds: closed meanwhile, or held outside this PID namespace, as by an
 * old worker in another container on the same network. Those that still are there a moment later are the latter. One
 * that waits to be accepted has no inode yet.
 */
export function heldUnseen({ sockets, address, holders }: Seen & { readonly address: string }): ReadonlySet<number> {
  const unseen = sockets.filter(
    ({ state, inode, address: at }) =>
      state === ESTABLISHED && at === canonical(address) && inode !== 0 && holders?.has(inode) !== true,
  );
  return new Set(unseen.map(({ inode }) => inode));
}

interface Seen {
  /** Those whose own port is that of the place. */
  readonly sockets: readonly SocketEntry[];
  /** By inode; null: not all of them may be seen. */
  readonly holders: ReadonlyMap<number, readonly number[]> | null;
}

/** null: none of this machine's sockets is the other end. */
export function otherEndOf(ends: Ends, sockets: readonly SocketEntry[]): SocketEntry | null {
  const [own, other] = [canonical(ends.localAddress), canonical(ends.remoteAddress)];
  const found = sockets.filter(
    ({ state, inode, address, peer, peerPort }) =>
      state === ESTABLISHED && inode !== 0 && address === other && peer === own && peerPort === ends.localPort,
  );
  return found.length === 1 ? (found[0] ?? null) : null;
}

/** What is read for one is not shared with what is read for others. */
function sharedBy<Of extends readonly unknown[], T>(
  keyOf: (...of: Of) => string,
  read: (...of: Of) => Promise<T>,
): (...of: Of) => Promise<T> {
  const readings = new Map<string, () => Promise<T>>();
  return (...of) => {
    const key = keyOf(...of);
    const reading = readings.get(key) ?? shared(() => read(...of));
    if (readings.size >= KEPT_MAX) readings.clear();
    readings.set(key, reading);
    return reading();
  };
}

/** One reading at a time. Who asks meanwhile shares the next one, so that nobody gets what was read before they asked. */
function shared<T>(read: () => Promise<T>): () => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  let next: Promise<T> | null = null;
  return () => {
    if (next !== null) return next;
    const mine = last
      .catch(() => undefined)
      .then(() => delay(GATHER_MS))
      .then(() => {
        next = null;
        return read();
      });
    next = mine;
    last = mine;
    return mine;
  };
}
