import type { IncomingMessage } from "node:http";
import { isIPv6, type Server, type Socket } from "node:net";

export interface ConnectionLimits {
  /** Open connections in all. */
  readonly connectionsMax: number;
  /** Connections of one address whose request is not complete yet. */
  readonly incompletePerAddressMax: number;
  /** From the connection to the end of the request's headers. */
  readonly headersMaxMs: number;
  /** From the connection to its end, however slowly the answer is read; null: it may stay, as streams of events do. */
  readonly connectionMaxMs: number | null;
}

/** A request that has just arrived may still lie unread in the kernel: a burst of a CA is no attack. */
const GRACE_MS = 250;

interface Connection {
  readonly socket: Socket;
  readonly peer: string;
  readonly address: string;
  readonly openedAt: number;
}

/**
 * Keeps slow connections from starving quick ones. A CA sends its request at once, so the connection that has been
 * incomplete for longest is the least likely to be a CA's. It is closed when there are too many, first of the address
 * that holds most. On a server that is not HTTP a connection is incomplete until it ends.
 */
export function limitConnections(server: Server, limits: ConnectionLimits): void {
  /** By address; within one, oldest first. */
  const incomplete = new Map<string, Set<Connection>>();
  /** By the peer's address and port: behind TLS, a request has another socket than the connection. */
  const byPeer = new Map<string, Connection>();

  const completed = (connection: Connection): void => {
    const own = incomplete.get(connection.address);
    own?.delete(connection);
    if (own?.size === 0) incomplete.delete(connection.address);
  };
  const forget = (connection: Connection): void => {
    if (byPeer.get(connection.peer) === connection) byPeer.delete(connection.peer);
  };
  const evict = (connection: Connection | undefined): void => {
    if (connection === undefined) return;
    completed(connection);
    forget(connection);
    connection.socket.destroy();
  };

  const makeRoom = (address: string): void => {
    const own = incomplete.get(address);
    const [oldest] = own ?? [];
    if (own !== undefined && oldest !== undefined && own.size > limits.incompletePerAddressMax) {
      if (performance.now() - oldest.openedAt > GRACE_MS) evict(oldest);
    }
    if (byPeer.size > limits.connectionsMax) evict(oldestOfLargest(incomplete) ?? byPeer.values().next().value);
  };

  server.on("connection", (socket: Socket) => {
    const address = networkOf(socket.remoteAddress ?? "");
    const connection = { socket, peer: peerOf(socket), address, openedAt: performance.now() };
    byPeer.set(connection.peer, connection);
    const own = incomplete.get(connection.address) ?? new Set();
    incomplete.set(connection.address, own.add(connection));
    const headersTimer = setTimeout(() => {
      if (incomplete.get(connection.address)?.has(connection)) evict(connection);
    }, limits.headersMaxMs);
    const { connectionMaxMs } = limits;
    const connectionTimer = connectionMaxMs === null ? undefined : setTimeout(() => evict(connection), connectionMaxMs);
    socket.once("close", () => {
      clearTimeout(headersTimer);
      clearTimeout(connectionTimer);
      completed(connection);
      forget(connection);
    });
    makeRoom(connection.address);
  });
  server.prependListener("request", ({ socket }: IncomingMessage) => {
    const connection = byPeer.get(peerOf(socket));
    if (connection !== undefined) completed(connection);
  });
}

function peerOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}

/** Of the address with most incomplete requests; of several such, the oldest. */
function oldestOfLargest(incomplete: ReadonlyMap<string, ReadonlySet<Connection>>): Connection | undefined {
  let found: Connection | undefined;
  let size = 0;
  for (const own of incomplete.values()) {
    const [oldest] = own;
    if (oldest === undefined || own.size < size) continue;
    if (own.size > size || found === undefined || oldest.openedAt < found.openedAt) {
      found = oldest;
      size = own.size;
    }
  }
  return found;
}

/** Who has one IPv6 address has a /64 of them. */
function networkOf(address: string): string {
  if (!isIPv6(address) || address.startsWith("::ffff:")) return address;
  const [head = "", tail] = address.split("%", 1)[0]?.split("::") ?? [];
  const groups = head === "" ? [] : head.split(":");
  return (tail === undefined ? groups : [...groups, "0", "0", "0", "0"]).slice(0, 4).join(":");
}
