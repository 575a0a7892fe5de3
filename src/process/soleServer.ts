import { createAttestations } from "./attestations.ts";
import { createPace, type Pace, sharedReading } from "./sharedReading.ts";
import {
  canonical,
  ESTABLISHED,
  LISTENING,
  type SocketEntry,
  socketHolders,
  socketsOf,
  type TcpSockets,
  tcpSockets,
} from "./sockets.ts";

/** Processes by inode. */
type Holders = ReadonlyMap<number, readonly number[]>;

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
   * elsewhere, for a user that may not look into all processes, and for ten seconds after a connection to the place
   * whose other end the process did not hold.
   */
  isSoleServer(pid: number, place: Place): Promise<boolean>;
  /**
   * Whether the process holds the other end of an open connection. Nothing that stands between passes for it: not a
   * proxy, which holds the other end itself, and no translation of addresses, after which that end has other ones.
   * `signal` aborts when this process closes the connection: what the kernel says of it then counts for nothing.
   */
  holdsOtherEnd(pid: number, ends: Ends, signal?: AbortSignal): Promise<boolean>;
  /** Connections to the place in the last ten seconds whose other end the process held; 0 for so long after one that it did not. */
  attested(pid: number, place: Place): number;
}

/** What the kernel tells. */
export interface Kernel {
  tcpSockets(): Promise<TcpSockets | null>;
  socketHolders(): Promise<Holders | null>;
  socketsOf(pid: number): ReadonlySet<number> | null;
}

/** One reading of the tables, and what was looked up next for those who share it. */
interface Look {
  readonly sockets: TcpSockets | null;
  /** Of a server with a thousand connections a thousand links are read. */
  readonly own: (pid: number) => ReadonlySet<number> | null;
  readonly holders: () => Promise<Holders | null>;
  readonly verdicts: Map<string, Promise<boolean>>;
}

const THIS_MACHINE: Kernel = { tcpSockets, socketHolders, socketsOf };

/** `now`: ms of a clock that is never set back. */
export function createNeighbours(
  kernel: Kernel = THIS_MACHINE,
  now: () => number = () => performance.now(),
): Neighbours {
  const pace = createPace(now);
  const look = sharedReading(() => lookNow(kernel, pace), pace);
  const attestations = createAttestations(now);

  async function judge(pid: number, { address, port }: Place, { sockets, own, holders }: Look): Promise<boolean> {
    const at = sockets?.(port);
    const held = own(pid);
    // The process itself first: most often that is enough to say no.
    if (at === undefined || held === null || !mayBeSole(at, address, held)) return false;
    const seen = { sockets: at, address, holders: await holders() };
    if (!isSole(pid, seen)) return false;
    const unseen = heldUnseen(seen);
    if (unseen.size === 0) return true;
    const later = (await look()).sockets?.(port);
    return later?.every(({ inode, state }) => state !== ESTABLISHED || !unseen.has(inode)) === true;
  }

  return {
    async isSoleServer(pid, place) {
      const shared = await look();
      const key = keyOf(pid, place);
      const verdict = shared.verdicts.get(key) ?? judge(pid, place, shared);
      shared.verdicts.set(key, verdict);
      return (await verdict) && !attestations.isSuspect(key);
    },
    async holdsOtherEnd(pid, ends, signal) {
      const { sockets, own } = await look();
      if (signal?.aborted) return false;
      const held = own(pid);
      if (sockets === null || held === null) return false;
      const otherEnd = otherEndOf(ends, sockets(ends.remotePort));
      const isHeld = otherEnd !== null && held.has(otherEnd.inode);
      attestations.add(keyOf(pid, { address: ends.remoteAddress, port: ends.remotePort }), isHeld);
      return isHeld;
    },
    attested: (pid, place) => attestations.count(keyOf(pid, place)),
  };
}

function keyOf(pid: number, { address, port }: Place): string {
  return `${pid} ${canonical(address)} ${port}`;
}

async function lookNow(kernel: Kernel, pace: Pace): Promise<Look> {
  const sockets = await kernel.tcpSockets();
  let holders: Promise<Holders | null> | null = null;
  return {
    sockets: sockets && kept(sockets),
    own: kept((pid: number) => kernel.socketsOf(pid)),
    holders: () => (holders ??= pace.spend(() => kernel.socketHolders(), 0)),
    verdicts: new Map(),
  };
}

/** Each is looked up once. */
function kept<Of, T extends object | null>(find: (of: Of) => T): (of: Of) => T {
  const found = new Map<Of, T>();
  return (of) => {
    const known = found.get(of);
    if (known !== undefined) return known;
    const made = find(of);
    found.set(of, made);
    return made;
  };
}

/** How exactly a listening socket names the address; the kernel prefers the most exact. */
type Listener = SocketEntry & { readonly rank: number };

/** What may accept a connection to the address: sockets bound to it and to any address, also of IPv6 for IPv4. */
function listenersFor(address: string, sockets: readonly SocketEntry[]): Listener[] {
  const own = canonical(address);
  const ranks = [own, ...(own.includes(":") ? [] : ["0.0.0.0"]), "::"];
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
  readonly holders: Holders | null;
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
