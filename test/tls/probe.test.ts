import { createHash, X509Certificate } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";
import { connect } from "node:tls";
import { beforeAll, describe, expect, test } from "vitest";
import type { Endpoint } from "../../src/domain/endpoint.ts";
import type { Version } from "../../src/domain/version.ts";
import { createProbe, type ProbeOptions } from "../../src/tls/probe.ts";
import { fingerprintOf, restInWireOrder } from "../../src/tls/served.ts";
import { readLeaf } from "../../src/x509/leaf.ts";
import { type Authority, createRoot, type IssuedPair, type LeafOptions } from "../support/ca/pki.ts";
import { type ServedPair, startTcpServer, startTlsServer } from "../support/servers/tlsServer.ts";

const SIGNAL = new AbortController().signal;
const NAME = "www.renewd.test";

let root: Authority;
let outer: Authority;
let inner: Authority;
let current: IssuedPair;
let older: IssuedPair;

beforeAll(async () => {
  root = await createRoot();
  outer = await root.intermediate();
  inner = await outer.intermediate();
  current = await inner.issue({ names: [NAME] });
  older = await inner.issue({ names: [NAME] });
});

function probe(options: Partial<ProbeOptions> = {}) {
  return createProbe({ timeoutMs: 10_000, now: Date.now, ...options });
}

function at(port: number, part: Partial<Endpoint> = {}): Endpoint {
  return { host: NAME, port, sni: NAME, target: null, ...part };
}

function whole(pair: IssuedPair, ...chain: string[]): ServedPair {
  return {
    keyPem: pair.keyPem,
    certPem: [pair.certPem, ...(chain.length > 0 ? chain : [inner.certPem, outer.certPem])].join(""),
  };
}

function versionOf(pair: IssuedPair, chain = [inner.certPem, outer.certPem]): Version {
  const leaf = readLeaf(pair.certPem);
  const keyType = leaf.keyType ?? "ecdsa-p256";
  return {
    certificate: "www",
    generation: 2,
    issuer: "ca",
    leaf,
    leafPem: pair.certPem,
    chainPem: chain,
    keyType,
    createdAt: 0,
    verifiedAt: null,
    revokedAt: null,
    directory: null,
    droppedNames: [],
  };
}

function fingerprint(pem: string): string {
  return createHash("sha256").update(new X509Certificate(pem).raw).digest("hex");
}

describe("observing an address", () => {
  test("misses no root that was issued with the chain, as servers leave it out and clients have their own", async () => {
    const version = versionOf(current, [inner.certPem, outer.certPem, root.certPem]);
    await using without = await startTlsServer({ pairs: [whole(current)] });
    expect((await probe().observe(at(without.port), "127.0.0.1", version, SIGNAL)).problem).toBeNull();
    await using withRoot = await startTlsServer({
      pairs: [whole(current, inner.certPem, outer.certPem, root.certPem)],
    });
    expect((await probe().observe(at(withRoot.port), "127.0.0.1", version, SIGNAL)).problem).toBeNull();
    await using broken = await startTlsServer({ pairs: [whole(current, inner.certPem, root.certPem)] });
    expect((await probe().observe(at(broken.port), "127.0.0.1", version, SIGNAL)).problem).toMatchObject({
      code: "verify.badChain",
    });
  });

  test("reads a certificate whose issuer has no name", async () => {
    const nameless = await createRoot({ name: "" });
    await using server = await startTlsServer({
      pairs: [whole(await nameless.issue({ names: [NAME] }), nameless.certPem)],
    });
    const seen = await probe().observe(at(server.port), "127.0.0.1", null, SIGNAL);
    expect(seen).toMatchObject({ problem: null, served: { issuer: "" } });
  });

  test("records the served leaf and its chain and finds nothing wrong with the expected pair", async () => {
    await using server = await startTlsServer({ pairs: [whole(current)] });
    const before = Date.now();
    const seen = await probe().observe(at(server.port), "127.0.0.1", versionOf(current), SIGNAL);
    const leaf = readLeaf(current.certPem);
    expect(seen.problem).toBeNull();
    expect(seen.served).toEqual({
      fingerprint: fingerprint(current.certPem),
      serial: leaf.serial,
      subjectAltNames: [NAME],
      issuer: leaf.issuerName,
      notBefore: leaf.notBefore,
      notAfter: leaf.notAfter,
      chain: [fingerprint(inner.certPem), fingerprint(outer.certPem)],
    });
    expect(seen).toMatchObject({ address: "127.0.0.1", port: server.port, sni: NAME });
    expect(seen.at).toBeGreaterThanOrEqual(before);
    expect(seen.durationMs).toBeGreaterThanOrEqual(0);
  });

  test.each(["TLSv1.2", "TLSv1.3"] as const)("speaks %s with a server that knows nothing else", async (version) => {
    await using server = await startTlsServer({ pairs: [whole(current)], minVersion: version, maxVersion: version });
    const seen = await probe().observe(at(server.port), "127.0.0.1", versionOf(current), SIGNAL);
    expect(seen.problem).toBeNull();
    expect(await server.handshakes(1)).toMatchObject([{ serverName: NAME }]);
  });

  test("never resumes a session", async () => {
    await using server = await startTlsServer({ pairs: [whole(current)] });
    const prober = probe();
    for (let i = 0; i < 3; i++) await prober.observe(at(server.port), "127.0.0.1", null, SIGNAL);
    expect((await server.handshakes(3)).map((handshake) => handshake.resumed)).toEqual([false, false, false]);
  });

  test("names the one stale address of several", async () => {
    await using fresh = await startTlsServer({ pairs: [whole(current)] });
    await using stale = await startTlsServer({ pairs: [whole(older)], address: "127.0.0.2", port: fresh.port });
    const prober = probe({ resolve: async () => ["127.0.0.1", "127.0.0.2", "127.0.0.1"] });
    const endpoint = at(stale.port);
    const addresses = await prober.addresses(endpoint, SIGNAL);
    const seen = await Promise.all(
      addresses.map((address) => prober.observe(endpoint, address, versionOf(current), SIGNAL)),
    );
    expect(seen.map((each) => [each.address, each.problem?.code ?? null])).toEqual([
      ["127.0.0.1", null],
      ["127.0.0.2", "verify.stale"],
    ]);
    expect(seen[1]?.problem?.message).toContain(readLeaf(older.certPem).serial);
    expect(seen[1]?.problem?.message).toContain(readLeaf(current.certPem).serial);
  });

  test("recognises the default certificate of another server block", async () => {
    const fallback = await inner.issue({ names: ["default.renewd.test"] });
    await using server = await startTlsServer({ pairs: [whole(fallback)], bound: { [NAME]: whole(current) } });
    const bound = await probe().observe(at(server.port), "127.0.0.1", versionOf(current), SIGNAL);
    expect(bound.problem).toBeNull();
    const unbound = await probe().observe(
      at(server.port, { sni: "shop.renewd.test" }),
      "127.0.0.1",
      versionOf(current),
      SIGNAL,
    );
    expect(unbound.problem?.code).toBe("verify.wrongCertificate");
    expect(unbound.problem?.message).toContain("default.renewd.test");
  });

  test("sends no server name for an address and expects the address among the names", async () => {
    const pair = await inner.issue({ names: ["127.0.0.1", "::1"] });
    await using server = await startTlsServer({ pairs: [whole(pair)] });
    const seen = await probe().observe(
      at(server.port, { host: "127.0.0.1", sni: "127.0.0.1" }),
      "127.0.0.1",
      versionOf(pair),
      SIGNAL,
    );
    expect(seen.problem).toBeNull();
    expect(seen.served?.subjectAltNames).toEqual(["127.0.0.1", "::1"]);
    expect(await server.handshakes(1)).toMatchObject([{ serverName: null }]);
  });

  test.each<[string, Partial<LeafOptions>, string]>([
    [
      "expired",
      { notBefore: new Date("2025-01-01"), notAfter: new Date("2025-02-01") },
      "which expired 2025-02-01T00:00:00Z",
    ],
    [
      "not yet valid",
      { notBefore: new Date("2099-01-01"), notAfter: new Date("2099-02-01") },
      "which is not valid before 2099-01-01T00:00:00Z",
    ],
  ])("tells a certificate that is %s", async (_, dates, message) => {
    const pair = await inner.issue({ names: [NAME], ...dates });
    await using server = await startTlsServer({ pairs: [whole(pair)] });
    const seen = await probe().observe(at(server.port), "127.0.0.1", null, SIGNAL);
    expect(seen.problem?.code).toBe("verify.notValid");
    expect(seen.problem?.message).toContain(message);
    expect(seen.served).not.toBeNull();
  });

  // served.ts relies on this: Node reports the chain as sent, not sorted, completed or deduplicated.
  test.each(["TLSv1.2", "TLSv1.3"] as const)(
    "records the chain in wire order whatever it is (%s)",
    async (maxVersion) => {
      const stranger = await createRoot();
      const sent = [outer.certPem, stranger.certPem, inner.certPem, inner.certPem, current.certPem];
      await using server = await startTlsServer({ pairs: [whole(current, ...sent)], maxVersion });
      const seen = await probe().observe(at(server.port), "127.0.0.1", versionOf(current), SIGNAL);
      expect(seen.served?.chain).toEqual(sent.map(fingerprint));
      expect(seen.problem?.code).toBe("verify.badChain");
    },
  );

  test("Node keeps none of a chain that was read: it copies OpenSSL's list, of which it once freed nothing", async () => {
    await using server = await startTlsServer({ pairs: [whole(current)] });
    const socket = connect({ port: server.port, host: "127.0.0.1", servername: NAME, rejectUnauthorized: false });
    try {
      await once(socket, "secureConnect");
      // Until 26.8 reading the chain took it out of that list, and 5 to 9 kB were lost with each handshake.
      const read = () => restInWireOrder(socket.getPeerX509Certificate() as X509Certificate).map(fingerprintOf);
      const sent = [inner, outer].map(({ certPem }) => fingerprint(certPem));
      expect([read(), read()]).toEqual([sent, sent]);
    } finally {
      socket.destroy();
    }
  });

  test("reports a missing intermediate", async () => {
    await using server = await startTlsServer({ pairs: [{ certPem: current.certPem, keyPem: current.keyPem }] });
    const seen = await probe().observe(at(server.port), "127.0.0.1", versionOf(current), SIGNAL);
    expect(seen.problem?.code).toBe("verify.badChain");
    expect(seen.served?.chain).toEqual([]);
  });

  test.each(["TLSv1.2", "TLSv1.3"] as const)(
    "of a server with an RSA and an ECDSA certificate, judges the one of the issued kind (%s)",
    async (maxVersion) => {
      const rsa = await inner.issue({ names: [NAME], keyType: "rsa-2048" });
      await using server = await startTlsServer({ pairs: [whole(rsa), whole(current)], maxVersion });
      for (const pair of [rsa, current]) {
        const seen = await probe().observe(at(server.port), "127.0.0.1", versionOf(pair), SIGNAL);
        expect(seen.problem).toBeNull();
        expect(seen.served?.fingerprint).toBe(fingerprint(pair.certPem));
      }
    },
  );

  test("reports a server as stale if it still has only the other kind of key", async () => {
    const rsa = await inner.issue({ names: [NAME], keyType: "rsa-2048" });
    await using server = await startTlsServer({ pairs: [whole(rsa)] });
    const seen = await probe().observe(at(server.port), "127.0.0.1", versionOf(current), SIGNAL);
    expect(seen.problem?.code).toBe("verify.stale");
    expect(seen.served?.fingerprint).toBe(fingerprint(rsa.certPem));
  });

  test.each(["TLSv1.2", "TLSv1.3"] as const)(
    "sees what a server serves that demands a client certificate (%s)",
    async (maxVersion) => {
      await using server = await startTlsServer({
        pairs: [whole(current)],
        maxVersion,
        clientCertificateCa: root.certPem,
      });
      const seen = await probe().observe(at(server.port), "127.0.0.1", versionOf(current), SIGNAL);
      expect(seen.problem).toBeNull();
      expect(seen.served?.chain).toHaveLength(2);
    },
  );
});

describe("addresses that do not serve", () => {
  test("a closed port", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const bound = server.address();
    const port = typeof bound === "object" && bound !== null ? bound.port : 0;
    await new Promise((resolve) => server.close(resolve));
    const seen = await probe().observe(at(port), "127.0.0.1", null, SIGNAL);
    expect(seen).toMatchObject({
      served: null,
      problem: { code: "verify.unreachable", message: "connection refused: nothing listens there" },
    });
  });

  test("a port that does not speak TLS", async () => {
    await using server = await startTcpServer((socket) => socket.end("220 mail.renewd.test ESMTP ready\r\n"));
    const seen = await probe().observe(at(server.port), "127.0.0.1", null, SIGNAL);
    expect(seen.problem).toEqual({
      code: "verify.protocol",
      message: expect.stringMatching(/^the port answers, but not with TLS: .*`starttls`/),
    });
  });

  test("a peer that closes the connection", async () => {
    await using server = await startTcpServer((socket) => socket.once("data", () => socket.resetAndDestroy()));
    const seen = await probe().observe(at(server.port), "127.0.0.1", null, SIGNAL);
    expect(seen.problem).toEqual({
      code: "verify.dropped",
      message: "the peer closed the connection during the handshake",
    });
  });

  test("a peer that refuses the handshake", async () => {
    // TLS record: alert, fatal, unrecognized_name (RFC 6066 §3).
    await using server = await startTcpServer((socket) =>
      socket.once("data", () => socket.end(Buffer.from("15030300020270", "hex"))),
    );
    const seen = await probe().observe(at(server.port), "127.0.0.1", null, SIGNAL);
    expect(seen.problem?.code).toBe("verify.unreachable");
    expect(seen.problem?.message).toContain("refuses this server name");
  });

  test("a silent peer and a slow peer end at the time limit", async () => {
    await using silent = await startTcpServer(() => {});
    await using dripping = await startTcpServer((socket) => {
      const header = Buffer.from("1603033fff", "hex");
      socket.write(header);
      const drip = setInterval(() => socket.write(Buffer.from([2])), 20);
      socket.once("close", () => clearInterval(drip));
    });
    const prober = probe({ timeoutMs: 300 });
    const seen = await Promise.all(
      [silent, dripping].map((server) => prober.observe(at(server.port), "127.0.0.1", null, SIGNAL)),
    );
    for (const each of seen) {
      expect(each).toMatchObject({
        served: null,
        problem: { code: "verify.timeout", message: "no handshake within 300 ms" },
      });
      expect(each.durationMs).toBeLessThan(30_000);
    }
  });

  test("a shutdown of renewd is not reported as a fault of the peer", async () => {
    await using silent = await startTcpServer(() => {});
    const controller = new AbortController();
    const seen = probe().observe(at(silent.port), "127.0.0.1", null, controller.signal);
    controller.abort(new Error("stopping"));
    await expect(seen).rejects.toThrow("stopping");
  });
});

describe("hostile endpoints", () => {
  test("a megabyte of certificate is refused", async () => {
    const names = Array.from(
      { length: 4_000 },
      (_, i) => `${"x".repeat(60)}.${i}.${"y".repeat(60)}.${"z".repeat(60)}.renewd.test`,
    );
    const huge = await inner.issue({ names });
    expect(huge.certPem.length).toBeGreaterThan(1_000_000);
    await using server = await startTlsServer({ pairs: [{ certPem: huge.certPem, keyPem: huge.keyPem }] });
    const seen = await probe().observe(at(server.port), "127.0.0.1", null, SIGNAL);
    expect(seen.problem).toEqual({ code: "verify.unreachable", message: "it sends more than 100 kB of certificates" });
  });

  test("a chain of a hundred certificates is recorded up to a bound and refused", async () => {
    const filler = Array.from({ length: 100 }, () => outer.certPem);
    await using server = await startTlsServer({ pairs: [whole(current, ...filler)] });
    const seen = await probe().observe(at(server.port), "127.0.0.1", versionOf(current), SIGNAL);
    expect(seen.problem?.code).toBe("verify.badChain");
    expect(seen.served?.chain).toHaveLength(16);
  });

  test("control characters in names reach no terminal", async () => {
    const hostile = await createRoot({ name: "evil\u001b[31m\r\nCA\u202e<img onerror=x>" });
    const pair = await hostile.issue({ names: ["other.renewd.test"] });
    await using server = await startTlsServer({ pairs: [{ certPem: pair.certPem, keyPem: pair.keyPem }] });
    const seen = await probe().observe(at(server.port), "127.0.0.1", null, SIGNAL);
    expect(seen.problem?.code).toBe("verify.wrongCertificate");
    for (const text of [seen.served?.issuer ?? "\n", seen.problem?.message ?? "\n"])
      expect(text).not.toMatch(/[\p{C}\p{Zl}\p{Zp}]/u);
  });
});
