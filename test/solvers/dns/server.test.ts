import { createSocket } from "node:dgram";
import { Resolver } from "node:dns/promises";
import { once } from "node:events";
import { connect } from "node:net";
import { type Answer, type DecodedPacket, decode, encode, type RecordType } from "dns-packet";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it, test } from "vitest";
import { newCounters } from "../../../src/solvers/dns/server/counters.ts";
import { readQuery } from "../../../src/solvers/dns/server/query.ts";
import { createRateLimit, prefixOf } from "../../../src/solvers/dns/server/rateLimit.ts";
import { createResponder } from "../../../src/solvers/dns/server/respond.ts";
import { type DnsServer, startDnsServer } from "../../../src/solvers/dns/server/server.ts";
import type { ServedZone } from "../../../src/solvers/dns/server/zone.ts";

const ZONE: ServedZone = {
  name: "acme.example.org",
  nameServers: [
    { name: "ns1.acme.example.org", addresses: ["192.0.2.1", "2001:db8::1"] },
    { name: "ns2.example.net", addresses: [] },
  ],
  caa: [{ tag: "issue", value: "letsencrypt.org" }],
};
const values = new Map<string, string[]>([["label.acme.example.org", ["one", "two"]]]);
const lookUp = async (name: string): Promise<string[]> => values.get(name) ?? [];
let server: DnsServer;
beforeAll(async () => {
  server = await startDnsServer({ hosts: ["127.0.0.1"], port: 0, zones: () => [ZONE], lookUp });
});
afterAll(() => server.close());

interface Asked {
  readonly name: string;
  readonly type?: RecordType | "ANY";
  readonly class?: "IN" | "CH";
  readonly edns?: { readonly size?: number; readonly version?: number };
}

function question({ name, type = "TXT", class: kind = "IN", edns }: Asked): Buffer {
  const opt = {
    type: "OPT",
    name: ".",
    udpPayloadSize: edns?.size ?? 4096,
    extendedRcode: 0,
    ednsVersion: edns?.version ?? 0,
    flags: 0,
    flag_do: false,
    options: [],
  } as const satisfies Answer;
  return encode({
    id: 4711,
    flags: 0x100,
    questions: [{ name, type: type as RecordType, class: kind }],
    ...(edns !== undefined && { additionals: [opt] }),
  });
}

async function exchange(bytes: Buffer, port = server.port): Promise<Buffer> {
  const socket = createSocket("udp4");
  try {
    socket.send(bytes, port, "127.0.0.1");
    const [answer] = await once(socket, "message");
    return answer;
  } finally {
    socket.close();
  }
}

const rcodeOf = (answer: Buffer): number => answer.readUInt16BE(2) & 0xf;
async function ask(asked: Asked): Promise<DecodedPacket & { readonly code: number }> {
  const answer = await exchange(question(asked));
  return { ...decode(answer), code: rcodeOf(answer) };
}
const texts = ({ answers = [] }: DecodedPacket): string[] =>
  answers.map((answer) => (answer.type === "TXT" ? String(answer.data) : answer.type));

describe("the DNS server", () => {
  it("answers a resolver with every value at the name", async () => {
    const resolver = new Resolver();
    resolver.setServers([`127.0.0.1:${server.port}`]);
    expect((await resolver.resolveTxt("label.acme.example.org")).flat().sort()).toEqual(["one", "two"]);
    expect(await resolver.resolveNs("acme.example.org")).toEqual(["ns1.acme.example.org", "ns2.example.net"]);
    expect(await resolver.resolveSoa("acme.example.org")).toMatchObject({ nsname: "ns1.acme.example.org" });
    expect(await resolver.resolveCaa("acme.example.org")).toMatchObject([{ critical: 0, issue: "letsencrypt.org" }]);
    expect(await resolver.resolve4("ns1.acme.example.org")).toEqual(["192.0.2.1"]);
    expect(await resolver.resolve6("ns1.acme.example.org")).toEqual(["2001:db8::1"]);
  });

  it("keeps the spelling of the question (0x20), in the question and in the records", async () => {
    const sent = question({ name: "LaBeL.aCmE.eXaMpLe.OrG" });
    const answer = await exchange(sent);
    expect(answer.subarray(12, sent.length)).toEqual(sent.subarray(12));
    const packet = decode(answer);
    expect(packet).toMatchObject({ id: 4711, flag_aa: true, flag_ra: false, flag_rd: true });
    expect(packet.answers?.map(({ name }) => name)).toEqual(["LaBeL.aCmE.eXaMpLe.OrG", "LaBeL.aCmE.eXaMpLe.OrG"]);
  });

  it("says of a name without a value that it exists without one, and not for longer than a second", async () => {
    const { code, answers, authorities } = await ask({ name: "other.acme.example.org" });
    expect([code, answers]).toEqual([0, []]);
    expect(authorities).toMatchObject([
      { type: "SOA", name: "acme.example.org", ttl: 1, data: { minimum: 1, rname: "hostmaster.acme.example.org" } },
    ]);
  });

  test.each<[string, Asked]>([
    ["another zone", { name: "label.example.org" }],
    ["a name that only ends alike", { name: "xacme.example.org" }],
    ["the root", { name: "." }],
    ["another class", { name: "version.bind", class: "CH" }],
    ["a zone transfer", { name: "acme.example.org", type: "AXFR" }],
  ])("refuses %s with an answer no longer than the question", async (_, asked) => {
    const sent = question(asked);
    const answer = await exchange(sent);
    expect([rcodeOf(answer), answer.length]).toEqual([5, sent.length]);
    expect(decode(answer).flag_aa).toBe(false);
  });

  it("answers ANY with one small record (RFC 8482)", async () => {
    const { answers } = await ask({ name: "label.acme.example.org", type: "ANY" });
    expect(answers).toMatchObject([{ type: "HINFO", data: { cpu: "RFC8482" } }]);
  });

  it("speaks EDNS 0 when asked in it, and says so of another version", async () => {
    expect((await ask({ name: "label.acme.example.org" })).additionals).toEqual([]);
    const { additionals, code } = await ask({ name: "label.acme.example.org", edns: {} });
    expect([code, additionals]).toMatchObject([0, [{ type: "OPT", udpPayloadSize: 1232, ednsVersion: 0 }]]);
    const other = await ask({ name: "label.acme.example.org", edns: { version: 3 } });
    expect(other.answers).toEqual([]);
    expect(other.additionals).toMatchObject([{ extendedRcode: 1 }]);
  });

  it("says that an answer does not fit into UDP, and gives it whole over TCP", async () => {
    const many = Array.from({ length: 20 }, (_, index) => `value-${index}-${"x".repeat(40)}`);
    values.set("many.acme.example.org", many);
    const plain = await ask({ name: "many.acme.example.org" });
    expect([plain.flag_tc, plain.answers]).toEqual([true, []]);
    expect((await ask({ name: "many.acme.example.org", edns: { size: 65_000 } })).flag_tc).toBe(true);
    const [answer] = await overTcp([question({ name: "many.acme.example.org" })]);
    expect(answer && texts(decode(answer)).sort()).toEqual([...many].sort());
  });

  it("answers several questions of one TCP connection, each cut anywhere", async () => {
    const answers = await overTcp(
      [question({ name: "label.acme.example.org" }), question({ name: "acme.example.org", type: "NS" })],
      3,
    );
    expect(answers.map((answer) => decode(answer).answers?.length)).toEqual([2, 2]);
  });

  it("answers what is no well-formed question with FORMERR, other operations with NOTIMP, answers with nothing", async () => {
    const good = question({ name: "label.acme.example.org" });
    const changed = (at: number, value: number): Buffer => {
      const bytes = Buffer.from(good);
      bytes.writeUInt16BE(value, at);
      return bytes;
    };
    expect(rcodeOf(await exchange(changed(4, 2)))).toBe(1);
    expect(rcodeOf(await exchange(good.subarray(0, 20)))).toBe(1);
    expect(rcodeOf(await exchange(changed(2, 0x2800)))).toBe(4);
    expect(await respondOnce(changed(2, 0x8000))).toBeNull();
  });

  it("answers SERVFAIL while the store cannot be read, and counts it", async () => {
    const counters = newCounters();
    const respond = createResponder({
      zones: () => [ZONE],
      lookUp: () => Promise.reject(new Error("down")),
      counters,
      waitingMax: 1,
    });
    const answer = await respond(question({ name: "label.acme.example.org" }), { transport: "udp", verdict: "answer" });
    expect(answer && rcodeOf(answer)).toBe(2);
    expect(counters.take()).toEqual([{ transport: "udp", answer: "failed", count: 1 }]);
  });

  it("counts each query once, by how it was answered, and again what could not be written down", async () => {
    const counters = newCounters();
    const respond = createResponder({ zones: () => [ZONE], lookUp, counters, waitingMax: 10 });
    const from = { transport: "tcp", verdict: "answer" } as const;
    for (const name of ["label.acme.example.org", "none.acme.example.org", "label.example.net"])
      await respond(question({ name }), from);
    await respond(question({ name: "acme.example.org", type: "NS" }), from);
    await respond(Buffer.alloc(3), from);
    await respond(question({ name: "acme.example.org" }), { transport: "udp", verdict: "drop" });
    const all = ["value", "noData", "refused", "zone", "malformed"].map((answer) => `tcp ${answer} 1`);
    const lines = () => counters.take().map(({ transport, answer, count }) => `${transport} ${answer} ${count}`);
    const taken = counters.take();
    counters.putBack(taken);
    counters.count("udp", "rateLimited");
    expect(lines()).toEqual([...all, "udp rateLimited 2"]);
    expect(lines()).toEqual([]);
  });

  it("drops what comes while as many questions as it takes wait for the store", async () => {
    const [counters, gate] = [newCounters(), Promise.withResolvers<string[]>()];
    const respond = createResponder({ zones: () => [ZONE], lookUp: () => gate.promise, counters, waitingMax: 1 });
    const sent = question({ name: "label.acme.example.org" });
    const first = respond(sent, { transport: "udp", verdict: "answer" });
    expect(await respond(sent, { transport: "udp", verdict: "answer" })).toBeNull();
    gate.resolve(["one"]);
    expect(texts(decode((await first) ?? Buffer.alloc(0)))).toEqual(["one"]);
    expect(counters.take()).toEqual([
      { transport: "udp", answer: "overloaded", count: 1 },
      { transport: "udp", answer: "value", count: 1 },
    ]);
  });
});

describe("the DNS server's rate limit", () => {
  // As short as a record can be: what a forged question makes us send to a stranger.
  test.each<[number, Asked]>([
    [2.5, { name: "label.acme.example.org", edns: {} }],
    [3, { name: "none.acme.example.org", edns: {} }],
    [3, { name: "acme.example.org", type: "SOA", edns: {} }],
    [3.5, { name: "acme.example.org", type: "NS", edns: {} }],
    [1.5, { name: "label.acme.example.org", type: "ANY", edns: {} }],
  ])("an answer is at most %d times as long as the question %j", async (times, asked) => {
    const sent = question(asked);
    const answer = await exchange(sent);
    expect(answer.length).toBeLessThanOrEqual(times * sent.length);
    expect(decode(answer).flag_tc).toBe(false);
  });

  it("lets a burst through, then truncates every second answer and drops the others", () => {
    const judge = createRateLimit({ perSecond: 10, burst: 3 });
    const verdicts = Array.from({ length: 7 }, () => judge("192.0.2.1", 0));
    expect(verdicts).toEqual(["answer", "answer", "answer", "truncate", "drop", "truncate", "drop"]);
    expect(judge("192.0.2.77", 0), "same prefix").toBe("truncate");
    expect(judge("192.0.3.1", 0), "another prefix").toBe("answer");
    expect(judge("192.0.2.1", 100), "a tenth of a second later").toBe("answer");
  });

  it("sends nothing longer than the question over the limit", async () => {
    await using limited = await disposable(
      startDnsServer({
        hosts: ["127.0.0.1"],
        port: 0,
        zones: () => [ZONE],
        lookUp,
        rateLimit: { perSecond: 0.001, burst: 1 },
      }),
    );
    const sent = question({ name: "many.acme.example.org", edns: {} });
    await exchange(sent, limited.port);
    const answer = await exchange(sent, limited.port);
    expect(answer.length).toBe(sent.length);
    expect(decode(answer)).toMatchObject({ flag_tc: true, answers: [] });
  });

  test.each([
    ["192.0.2.9", "192.0.2"],
    ["::ffff:192.0.2.9", "192.0.2"],
    ["2001:db8:1:2fff::9", "2001:db8:1:2f00"],
    ["2001:db8:1:2fff:1:2:3:4", "2001:db8:1:2f00"],
    ["::1", "0:0:0:0"],
    ["fe80::1%eth0", "fe80:0:0:0"],
  ])("%s is of the prefix %s", (address, prefix) => {
    expect(prefixOf(address)).toBe(prefix);
  });
});

describe("bytes from the Internet", () => {
  const base = question({ name: "label.acme.example.org", edns: {} });

  test("no message makes the server throw, and no answer is longer than the limit of its transport", async () => {
    const noise = fc.uint8Array({ maxLength: 600 });
    const mutated = fc
      .array(fc.tuple(fc.nat(base.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 })
      .map((changes) => changes.reduce((bytes, [at, value]) => bytes.fill(value, at, at + 1), Buffer.from(base)));
    const cut = fc.nat(base.length).map((length) => base.subarray(0, length));
    await fc.assert(
      fc.asyncProperty(fc.oneof(noise, mutated, cut), async (bytes) => {
        const answer = await respondOnce(Buffer.from(bytes));
        if (answer === null) return;
        expect(answer.length).toBeLessThanOrEqual(1232);
        expect(answer.readUInt16BE(2) & 0x8000).toBe(0x8000);
        decode(answer);
      }),
      { numRuns: 3_000 },
    );
  });

  test("a name is read only as far as a name may be long", () => {
    const label = Buffer.concat([Buffer.of(63), Buffer.alloc(63, "a")]);
    const header = encode({ questions: [] });
    header.writeUInt16BE(1, 4);
    const query = (labels: number): Buffer =>
      Buffer.concat([header, ...Array<Buffer>(labels).fill(label), Buffer.of(0, 0, 16, 0, 1)]);
    expect(readQuery(query(3))).toMatchObject({ question: { type: 16 } });
    expect(readQuery(query(4))).toMatchObject({ rcode: "FORMERR" });
    expect(readQuery(Buffer.concat([header, Buffer.of(0xc0, 0x0c, 0, 16, 0, 1)]))).toMatchObject({ rcode: "FORMERR" });
  });

  test("a hundred slow TCP connections keep nobody out: the oldest goes", async () => {
    const slow = await Promise.all(
      Array.from({ length: 100 }, async () => {
        const socket = connect(server.port, "127.0.0.1");
        socket.on("error", () => undefined);
        await once(socket, "connect");
        socket.write(Buffer.of(0, 40, 1));
        return socket;
      }),
    );
    const [answer] = await overTcp([question({ name: "label.acme.example.org" })]);
    expect(answer && decode(answer).answers).toHaveLength(2);
    await expect.poll(() => slow.filter(({ closed }) => !closed).length).toBe(49);
    for (const socket of slow) socket.destroy();
  });

  test("a TCP connection that promises more than a query is closed", async () => {
    const socket = connect(server.port, "127.0.0.1");
    socket.write(Buffer.of(0xff, 0xff, 1, 2, 3));
    await once(socket, "close");
    expect(socket.bytesRead).toBe(0);
  });
});

function respondOnce(bytes: Buffer): Promise<Buffer | null> {
  const respond = createResponder({ zones: () => [ZONE], lookUp, counters: newCounters(), waitingMax: 10 });
  return respond(bytes, { transport: "udp", verdict: "answer" });
}

async function overTcp(questions: readonly Buffer[], pieceBytes = 1_000): Promise<Buffer[]> {
  const socket = connect(server.port, "127.0.0.1");
  const sent = Buffer.concat(
    questions.flatMap((bytes) => {
      const length = Buffer.alloc(2);
      length.writeUInt16BE(bytes.length);
      return [length, bytes];
    }),
  );
  socket.setNoDelay(true);
  for (let at = 0; at < sent.length; at += pieceBytes) socket.write(sent.subarray(at, at + pieceBytes));
  socket.end();
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk);
  const all = Buffer.concat(chunks);
  const answers: Buffer[] = [];
  for (let at = 0; at < all.length; at += 2 + all.readUInt16BE(at))
    answers.push(all.subarray(at + 2, at + 2 + all.readUInt16BE(at)));
  return answers;
}

async function disposable(starting: Promise<DnsServer>): Promise<DnsServer & AsyncDisposable> {
  const started = await starting;
  return { ...started, [Symbol.asyncDispose]: () => started.close() };
}
