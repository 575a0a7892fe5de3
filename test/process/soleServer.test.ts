// Who accepts at an address, out of scripted tables of the kernel, and out of those of this machine.
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { expect, it } from "vitest";
import { z } from "zod";
import { ESTABLISHED, LISTENING, parseSockets, type SocketEntry, tcpSockets } from "../../src/process/sockets.ts";
import { createNeighbours, type Ends, heldUnseen, isSole, otherEndOf } from "../../src/process/soleServer.ts";
import { freePort } from "../support/freePort.ts";
import { type Random, seeded } from "../support/model/random.ts";

const CASES = 10_000;
/** The process that took the swap, and others. */
const [SERVER, BALANCER, SIBLING, DRAINING] = [10, 20, 30, 40];
const ADDRESSES: readonly [string, ...string[]] = ["127.0.0.1", "192.0.2.7", "2001:db8::7"];
const CLIENT_PORT = 40_000;

interface World {
  readonly address: string;
  readonly sockets: SocketEntry[];
  readonly holders: Map<number, number[]>;
  /** Whom connections to the address may reach: the model's own account, apart from the tables. */
  readonly reached: Set<number>;
  /** Reached through several sockets of one process, each with certificates of its own. */
  parted: boolean;
  readonly ends: Ends;
  /** Who holds the other end of the connection; null: nobody of this machine. */
  otherEnd: number | null;
}

/** A server at its address, and what people put beside or before it. */
function worldOf(random: Random): World {
  const address = random.pick(ADDRESSES);
  const wildcard = address.includes(":") ? "::" : random.pick(["0.0.0.0", "::"]);
  const bound = random.pick([address, wildcard]);
  const client = { localAddress: address, localPort: CLIENT_PORT, remoteAddress: address, remotePort: 443 };
  const ends: Ends = random.chance(0.2) ? { ...client, localAddress: "198.51.100.1" } : client;
  const world: World = {
    ...{ address, sockets: [], holders: new Map(), reached: new Set(), parted: false, ends },
    otherEnd: null,
  };
  let inode = 100;
  const add = (state: string, at: string, pids: number[], peer = "0.0.0.0", peerPort = 0): number => {
    inode += 1;
    world.sockets.push({ address: at, peer, peerPort, state, inode: pids.length === 0 ? 0 : inode });
    if (pids.length > 0) world.holders.set(inode, pids);
    return inode;
  };
  const front = random.pick([SERVER, SERVER, SERVER, BALANCER]);
  const listener = add(LISTENING, bound, [front]);
  world.reached.add(front);
  let answers = front;
  const kind = random.pick([
    "alone",
    "alone",
    "sibling",
    "twice",
    "handedOver",
    "exact",
    "draining",
    "moved",
    "remote",
  ]);
  if (kind === "sibling") {
    add(LISTENING, bound, [SIBLING]);
    world.reached.add(SIBLING);
    answers = random.pick([front, SIBLING]);
  }
  if (kind === "twice") {
    add(LISTENING, bound, [front]);
    world.parted = true;
  }
  if (kind === "handedOver") {
    world.holders.set(listener, [front, DRAINING]);
    world.reached.add(DRAINING);
    answers = random.pick([front, DRAINING]);
  }
  if (kind === "exact" && bound !== address) {
    // The kernel prefers it to the one for any address.
    add(LISTENING, address, [SIBLING]);
    world.reached.delete(front);
    world.reached.add(SIBLING);
    answers = SIBLING;
  }
  if (kind === "draining") {
    add(ESTABLISHED, address, [DRAINING], "198.51.100.9", 50_000);
    world.reached.add(DRAINING);
  }
  // Others of the machine, and what waits to be accepted.
  add(LISTENING, "203.0.113.5", [SIBLING]);
  add(ESTABLISHED, address, [front], "198.51.100.8", 50_001);
  add(ESTABLISHED, address, [], "198.51.100.7", 50_002);
  if (kind === "remote") return world;
  if (kind === "moved") {
    // Translated to a balancer at another address, which connects to the server itself.
    add(ESTABLISHED, "172.17.0.2", [BALANCER], ends.localAddress, CLIENT_PORT);
    add(ESTABLISHED, address, [front], "172.17.0.2", 51_000);
    world.reached.add(BALANCER);
    world.otherEnd = BALANCER;
    return world;
  }
  add(ESTABLISHED, address, [answers], ends.localAddress, CLIENT_PORT);
  world.otherEnd = answers;
  return world;
}

it(`never takes a process for the one that answers that is not, in ${CASES} scripted cases`, () => {
  const random = seeded(12);
  const wrong: unknown[] = [];
  const taken = { alone: 0, notSole: 0, notHeld: 0 };
  for (let index = 0; index < CASES; index += 1) {
    const world = worldOf(random);
    const otherEnd = otherEndOf(world.ends, world.sockets);
    const isHeld = otherEnd !== null && world.holders.get(otherEnd.inode)?.includes(SERVER) === true;
    const sole = isSole(SERVER, world);
    const isTrue = world.otherEnd === SERVER && world.reached.size === 1 && !world.parted;
    if ((sole && isHeld) !== isTrue) wrong.push({ index, sole, isHeld, world });
    taken.alone += sole && isHeld ? 1 : 0;
    taken.notSole += sole ? 0 : 1;
    taken.notHeld += isHeld ? 0 : 1;
  }
  expect(wrong.slice(0, 3)).toEqual([]);
  for (const count of Object.values(taken)) expect(count).toBeGreaterThan(CASES / 10);
});

it("takes none where this user may not see all processes", () => {
  const world = worldOf(seeded(1));
  expect(isSole(SERVER, { ...world, holders: null })).toBe(false);
});

it("looks for an IPv4 address that is written as one of IPv6 where it is answered", () => {
  const listener = (inode: number, address: string): SocketEntry => ({
    ...{ address, peer: "0.0.0.0", peerPort: 0, state: LISTENING, inode },
  });
  const sockets = [listener(1, "::"), listener(2, "0.0.0.0")];
  const holders = new Map([
    [1, [SERVER]],
    [2, [SIBLING]],
  ]);
  expect(isSole(SERVER, { sockets, holders, address: "::ffff:192.0.2.7" })).toBe(false);
  expect(isSole(SERVER, { sockets: sockets.slice(0, 1), holders, address: "::ffff:192.0.2.7" })).toBe(true);
});

it("suspects connections that somebody holds whom nobody sees, and none that waits to be accepted", () => {
  const connection = (inode: number, address = "127.0.0.1"): SocketEntry => ({
    ...{ address, peer: "127.0.0.1", peerPort: CLIENT_PORT, state: ESTABLISHED, inode },
  });
  const sockets = [connection(1), connection(2), connection(0), connection(3, "127.0.0.2")];
  const holders = new Map([[1, [SERVER]]]);
  expect([...heldUnseen({ sockets, holders, address: "127.0.0.1" })]).toEqual([2]);
});

it("reads the kernel's tables", () => {
  const table = [
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode",
    "   0: 0100007F:01BB 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4116514 1 0 100 0 1 10 0",
    "  17: 0100007F:01BB 0100007F:9C40 01 00000000:00000000 00:00000000 00000000   106        0 4116515 1 0 20 4 1 10 -1",
    "  18: 0100007F:9C40 0100007F:01BB 01 00000000:00000000 00:00000000 00000000     0        0 4116516 1 0 20 4 1 10 -1",
    "   1: 0000000000000000FFFF00000100007F:01BB 0000000000000000FFFF00000200007F:9C41 01 00000000:00000000 00:00000000 00000000 0 0 78 1 0",
    "  19: 0100007F:01BB 0100007F:9C42 06 00000000:00000000 03:00001769 00000000 0 0 0 3 0",
    "   2: B80D0120000000000000000007000000:01BB 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 77 1 0",
  ].join("\n");
  expect(parseSockets(table, 443)).toEqual([
    { address: "127.0.0.1", peer: "0.0.0.0", peerPort: 0, state: LISTENING, inode: 4_116_514 },
    { address: "127.0.0.1", peer: "127.0.0.1", peerPort: 40_000, state: ESTABLISHED, inode: 4_116_515 },
    { address: "127.0.0.1", peer: "127.0.0.2", peerPort: 40_001, state: ESTABLISHED, inode: 78 },
    { address: "2001:db8::7", peer: "::", peerPort: 0, state: LISTENING, inode: 77 },
  ]);
});

it.each(["127.0.0.1", "::1"])("reads the kernel's tables to their end, wherever its pages end: at %s", async (host) => {
  await using stack = new AsyncDisposableStack();
  const ports: number[] = [];
  // A page has room for some 27 rows.
  while (ports.length < 32) {
    const server = stack.use(createServer().listen(0, host));
    await once(server, "listening");
    ports.push(z.object({ port: z.number() }).parse(server.address()).port);
    const sockets = await tcpSockets();
    const isSeen = (port: number) =>
      sockets?.(port).some(({ state, address }) => state === LISTENING && address === host);
    expect(ports.filter((each) => isSeen(each) !== true)).toEqual([]);
  }
});

it("knows the other end of a connection to this machine, but not of one that a balancer takes", async () => {
  await using stack = new AsyncDisposableStack();
  const { holdsOtherEnd, attested } = createNeighbours();
  const accepted: Socket[] = [];
  const server = stack.use(await listening(createServer((socket) => void accepted.push(socket))));
  stack.defer(() => {
    for (const socket of accepted) socket.destroy();
  });
  const client = connect({ host: "127.0.0.1", port: server.port });
  stack.defer(() => void client.destroy());
  await Promise.all([once(client, "connect"), once(server.server, "connection")]);
  const { localAddress = "", localPort = 0, remoteAddress = "", remotePort = 0 } = client;
  const ends = { localAddress, localPort, remoteAddress, remotePort };
  expect(await holdsOtherEnd(process.pid, ends)).toBe(true);
  expect(await holdsOtherEnd(process.ppid, ends)).toBe(false);
  const place = { address: remoteAddress, port: remotePort };
  const elsewhere = { ...ends, localPort: await freePort() };
  // What renewd closes itself says nothing of who answers there.
  expect(await holdsOtherEnd(process.pid, elsewhere, AbortSignal.abort())).toBe(false);
  expect(attested(process.pid, place)).toBe(1);
  expect(await holdsOtherEnd(process.pid, elsewhere)).toBe(false);
  expect(attested(process.pid, place)).toBe(0);
});

async function listening(server: Server): Promise<{ server: Server; port: number } & AsyncDisposable> {
  const port = await freePort();
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  return {
    server,
    port,
    async [Symbol.asyncDispose]() {
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
