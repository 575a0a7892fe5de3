// What comes before the handshake: STARTTLS of each protocol, and the PROXY protocol, against scripted servers.
// starttls.full.test.ts has the real ones.
import type { Socket } from "node:net";
import { createSecureContext, TLSSocket } from "node:tls";
import { beforeAll, describe, expect, test } from "vitest";
import { type Endpoint, STARTTLS_PORTS, STARTTLS_PROTOCOLS, type StartTlsProtocol } from "../../src/domain/endpoint.ts";
import { createProbe } from "../../src/tls/probe.ts";
import { proxyHeader } from "../../src/tls/proxyProtocol.ts";
import { readLeaf } from "../../src/x509/leaf.ts";
import { createRoot, type IssuedPair } from "../support/ca/pki.ts";
import { type RunningServer, startTcpServer, startTlsServer } from "../support/servers/tlsServer.ts";

const SIGNAL = new AbortController().signal;
const NAME = "mail.renewd.test";
const XMPP = "<stream:stream xmlns:stream='http://etherx.jabber.org/streams'>";
const XMPP_TLS = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>";
const MYSQL = (capabilities: number) => {
  const body = Buffer.concat([
    ...[Buffer.from([10]), Buffer.from("8.0.36\0"), Buffer.alloc(13, 1)],
    ...[Buffer.from([capabilities & 0xff, capabilities >> 8]), Buffer.alloc(20, 2)],
  ]);
  return Buffer.concat([Buffer.from([body.length, 0, 0, 0]), body]);
};

let pair: IssuedPair;
beforeAll(async () => {
  pair = await (await createRoot()).issue({ names: [NAME] });
});

/** These bytes and so many more. */
function binary(hex: string, more = 0): RegExp {
  return new RegExp(`^${hex.replace(/\s/g, "").replace(/../g, "\\x$&")}[\\s\\S]{${more}}`);
}

/** What the server says first, then what it says to each thing that it is asked. */
interface Script {
  readonly greeting?: string | Buffer;
  readonly steps: readonly (readonly [asked: RegExp, answer: string | Buffer])[];
}

const SCRIPTS: Readonly<Record<StartTlsProtocol, Script>> = {
  smtp: {
    greeting: "220-mail.test\r\n220 ready\r\n",
    steps: [
      [/^EHLO \S+\r\n$/, "250-mail.test\r\n250-SIZE 1000\r\n250 STARTTLS\r\n"],
      [/^STARTTLS\r\n$/, "220 go\r\n"],
    ],
  },
  lmtp: {
    greeting: "220 ready\r\n",
    steps: [
      [/^LHLO \S+\r\n$/, "250-mail.test\r\n250-STARTTLS\r\n250 8BITMIME\r\n"],
      [/^STARTTLS\r\n$/, "220 go\r\n"],
    ],
  },
  imap: { greeting: "* OK ready\r\n", steps: [[/^a1 STARTTLS\r\n$/, "* NOTE\r\na1 OK begin\r\n"]] },
  pop3: { greeting: "+OK ready\r\n", steps: [[/^STLS\r\n$/, "+OK begin\r\n"]] },
  sieve: {
    greeting: '"IMPLEMENTATION" "x"\r\n"STARTTLS"\r\nOK "ready"\r\n',
    steps: [[/^STARTTLS\r\n$/, 'OK "begin"\r\n']],
  },
  ftp: { greeting: "220 ready\r\n", steps: [[/^AUTH TLS\r\n$/, "234 begin\r\n"]] },
  nntp: { greeting: "201 ready\r\n", steps: [[/^STARTTLS\r\n$/, "382 begin\r\n"]] },
  postgresql: { steps: [[binary("00000008 04d2162f"), "S"]] },
  mysql: { greeting: MYSQL(0x0a00), steps: [[binary("20000001", 32), ""]] },
  ldap: {
    steps: [
      [/^[\s\S]*1\.3\.6\.1\.4\.1\.1466\.20037$/, Buffer.from([0x30, 12, 2, 1, 1, 0x78, 7, 0x0a, 1, 0, 4, 0, 4, 0])],
    ],
  },
  xmpp: {
    steps: [
      [/ xmlns='jabber:client'.* to='mail\.renewd\.test'/, `${XMPP}<stream:features>${XMPP_TLS}</stream:features>`],
      [/^<starttls [^>]*>/, "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"],
    ],
  },
  "xmpp-server": {
    steps: [
      [/ xmlns='jabber:server'/, `${XMPP}<stream:features>${XMPP_TLS}</stream:features>`],
      [/^<starttls [^>]*>/, "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"],
    ],
  },
};

/** Answers by the script and then speaks TLS. Anything unexpected ends the connection. */
function serve({ greeting = "", steps }: Script): Promise<RunningServer> {
  return startTcpServer((socket) => {
    const left = [...steps];
    const upgrade = (rest: Buffer): void => {
      socket.removeAllListeners("data");
      socket.pause();
      // A client that waits for no answer may have begun the handshake already.
      if (rest.length > 0) socket.unshift(rest);
      const secureContext = createSecureContext({ cert: pair.certPem, key: pair.keyPem });
      new TLSSocket(socket, { isServer: true, secureContext }).on("error", () => socket.destroy());
    };
    if (greeting !== "") socket.write(greeting);
    socket.on("data", (chunk: Buffer) => {
      const [asked, answer] = left.shift() ?? [];
      const [found] = asked?.exec(chunk.toString("latin1")) ?? [];
      if (found === undefined || answer === undefined) return void socket.destroy();
      if (answer.length > 0) socket.write(answer);
      if (left.length > 0) return;
      upgrade(chunk.subarray(found.length));
    });
  });
}

function observe(port: number, part: Partial<Endpoint>) {
  const endpoint = { host: NAME, port, sni: NAME, target: null, ...part };
  return createProbe({ timeoutMs: 10_000, now: Date.now }).observe(endpoint, "127.0.0.1", null, SIGNAL);
}

describe("STARTTLS", () => {
  test.each(STARTTLS_PROTOCOLS)("by %s leads to the served certificate", async (starttls) => {
    await using server = await serve(SCRIPTS[starttls]);
    const seen = await observe(server.port, { starttls });
    expect(seen).toMatchObject({ problem: null, served: { serial: readLeaf(pair.certPem).serial } });
    expect(STARTTLS_PORTS[starttls]).toBeLessThan(6_000);
  });

  test.each<[StartTlsProtocol, Script, string]>([
    ["smtp", { greeting: "220 x\r\n", steps: [[/EHLO/, "250-x\r\n250 SIZE 1\r\n"]] }, "no TLS for smtp"],
    ["smtp", { greeting: "554 go away\r\n", steps: [] }, 'it answers "554 go away"'],
    ["smtp", { greeting: "nonsense\r\n", steps: [] }, 'it answers "nonsense" before TLS'],
    ["imap", { greeting: "* BYE busy\r\n", steps: [] }, 'it answers "* BYE busy" before TLS'],
    ["imap", { greeting: "* OK\r\n", steps: [[/a1/, "a1 BAD unknown\r\n"]] }, 'it answers "a1 BAD unknown"'],
    ["pop3", { greeting: "+OK\r\n", steps: [[/STLS/, "-ERR no\r\n"]] }, 'it answers "-ERR no"'],
    ["postgresql", { steps: [[/./, "N"]] }, 'no TLS for postgresql: it answers "N"'],
    ["mysql", { greeting: MYSQL(0x0200), steps: [] }, "version 8.0.36 without TLS"],
    ["ldap", { steps: [[/./, Buffer.from([0x30, 12, 2, 1, 1, 0x78, 7, 0x0a, 1, 52, 4, 0, 4, 0])]] }, "result code 52"],
    ["xmpp", { steps: [[/./, `${XMPP}<stream:features></stream:features>`]] }, "no TLS for xmpp"],
  ])("by %s that is refused says so", async (starttls, script, message) => {
    await using server = await serve(script);
    expect((await observe(server.port, { starttls })).problem).toEqual({
      code: "verify.unreachable",
      message: expect.stringContaining(message),
    });
  });

  test("with text behind the answer is not believed: it would come before the handshake", async () => {
    const [[, answer]] = SCRIPTS.imap.steps as [[RegExp, string]];
    await using server = await serve({ greeting: "* OK\r\n", steps: [[/a1/, `${answer}* injected\r\n`]] });
    expect((await observe(server.port, { starttls: "imap" })).problem?.message).toContain("something else before");
  });

  test("without end, silent or closed at once is bounded", async () => {
    await using endless = await startTcpServer((socket) => void socket.write("220-x\r\n".repeat(20_000)));
    expect((await observe(endless.port, { starttls: "smtp" })).problem?.message).toMatch(/more than/);
    await using silent = await startTcpServer((socket) => void socket.resume());
    const seen = await observe(silent.port, { starttls: "smtp", handshakeTimeoutMs: 100 });
    expect(seen.problem?.message).toMatch(/^no smtp within 100 ms: .*raise `handshakeTimeout`$/);
    await using closed = await startTcpServer((socket) => void socket.end());
    expect((await observe(closed.port, { starttls: "smtp" })).problem?.message).toContain("closes the connection");
  });

  test("where TLS begins at once says that the port speaks something else", async () => {
    await using server = await startTlsServer({ pairs: [pair] });
    const seen = await observe(server.port, { starttls: "smtp", handshakeTimeoutMs: 200 });
    expect(seen.problem).toEqual({
      code: "verify.timeout",
      message: expect.stringContaining("if the port expects TLS from the first byte, leave out `starttls`"),
    });
  });
});

describe("the PROXY protocol", () => {
  /** Takes the header from the connection and then speaks TLS. */
  async function behindHeader(length: (chunk: Buffer) => number, seen: Buffer[]): Promise<RunningServer> {
    return startTcpServer((socket: Socket) => {
      socket.once("readable", () => {
        const first: Buffer = socket.read() ?? Buffer.alloc(0);
        const end = length(first);
        seen.push(first.subarray(0, end));
        socket.unshift(first.subarray(end));
        const secureContext = createSecureContext({ cert: pair.certPem, key: pair.keyPem });
        new TLSSocket(socket, { isServer: true, secureContext }).on("error", () => socket.destroy());
      });
    });
  }

  test("v1 comes before the handshake, with the connection's own addresses", async () => {
    const seen: Buffer[] = [];
    await using server = await behindHeader((chunk) => chunk.indexOf("\n") + 1, seen);
    expect((await observe(server.port, { proxyProtocol: "v1" })).problem).toBeNull();
    expect(seen[0]?.toString()).toMatch(
      new RegExp(`^PROXY TCP4 127\\.0\\.0\\.1 127\\.0\\.0\\.1 \\d+ ${server.port}\\r\\n$`),
    );
  });

  test("v2 comes before the handshake too", async () => {
    const seen: Buffer[] = [];
    await using server = await behindHeader((chunk) => 16 + chunk.readUInt16BE(14), seen);
    expect((await observe(server.port, { proxyProtocol: "v2" })).problem).toBeNull();
    expect(seen[0]?.subarray(0, 16).toString("hex")).toBe("0d0a0d0a000d0a515549540a2111000c");
    expect(seen[0]?.readUInt16BE(26)).toBe(server.port);
  });

  test("is written for IPv6 as well, without the interface of a link-local address", () => {
    const ends = { localAddress: "fe80::1%eth0", localPort: 5, remoteAddress: "2001:db8::2:3", remotePort: 443 };
    expect(proxyHeader("v1", ends).toString()).toBe("PROXY TCP6 fe80::1 2001:db8::2:3 5 443\r\n");
    expect(proxyHeader("v2", ends).toString("hex").slice(24)).toBe(
      `21210024${"fe80000000000000000000000000000120010db8000000000000000000020003"}000501bb`,
    );
  });
});

describe("a server that ends the connection because it waits for something else", () => {
  test.each(["postgresql", "ldap"] as const)("says that it speaks %s", async (starttls) => {
    await using server = await serve(SCRIPTS[starttls]);
    expect((await observe(server.port, {})).problem).toEqual({
      code: "verify.protocol",
      message: `it speaks ${starttls}: set \`starttls: ${starttls}\``,
    });
  });

  test("says that it expects the PROXY protocol, or does not", async () => {
    await using server = await startTcpServer((socket) => {
      socket.once("data", (chunk: Buffer) => {
        if (!chunk.toString("latin1").startsWith("PROXY ")) return void socket.destroy();
        socket.pause();
        socket.unshift(chunk.subarray(chunk.indexOf("\n") + 1));
        const secureContext = createSecureContext({ cert: pair.certPem, key: pair.keyPem });
        new TLSSocket(socket, { isServer: true, secureContext }).on("error", () => socket.destroy());
      });
    });
    expect((await observe(server.port, {})).problem).toMatchObject({
      code: "verify.protocol",
      message: expect.stringContaining("set `proxyProtocol: v1`"),
    });
    await using plain = await startTcpServer((socket) => {
      socket.once("data", (chunk: Buffer) => {
        if (chunk[0] !== 0x16) return void socket.destroy();
        socket.pause();
        socket.unshift(chunk);
        const secureContext = createSecureContext({ cert: pair.certPem, key: pair.keyPem });
        new TLSSocket(socket, { isServer: true, secureContext }).on("error", () => socket.destroy());
      });
    });
    expect((await observe(plain.port, { proxyProtocol: "v1" })).problem).toMatchObject({
      code: "verify.protocol",
      message: expect.stringContaining("leave out `proxyProtocol`"),
    });
  });

  test("is not tried again and again, nor while it completes handshakes", async () => {
    let dialled = 0;
    await using server = await startTcpServer((socket) => {
      dialled += 1;
      socket.destroy();
    });
    const endpoint = { host: NAME, port: server.port, sni: NAME, target: null };
    const probe = createProbe({ timeoutMs: 10_000, now: Date.now });
    const look = async () => (await probe.observe(endpoint, "127.0.0.1", null, SIGNAL)).problem?.code;
    expect(await look()).toBe("verify.dropped");
    const first = dialled;
    expect(first).toBeGreaterThan(1);
    expect([await look(), await look(), dialled]).toEqual(["verify.dropped", "verify.dropped", first + 2]);
  });
});

describe("a server that only speaks", () => {
  test.each([
    ["CCM8 of TLS 1.2", { maxVersion: "TLSv1.2", ciphers: "ECDHE-ECDSA-AES128-CCM8:@SECLEVEL=0" }],
    ["CCM8 of TLS 1.3", { minVersion: "TLSv1.3", ciphers: "TLS_AES_128_CCM_8_SHA256:ALL:@SECLEVEL=0" }],
    ["CAMELLIA", { maxVersion: "TLSv1.2", ciphers: "ECDHE-ECDSA-CAMELLIA128-SHA256" }],
  ] as const)("%s is reachable", async (_what, options) => {
    await using server = await startTlsServer({ pairs: [pair], ...options });
    expect((await observe(server.port, {})).problem).toBeNull();
  });
});
