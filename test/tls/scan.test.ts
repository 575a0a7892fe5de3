import { generateKeyPairSync } from "node:crypto";
import { beforeAll, describe, expect, test } from "vitest";
import type { Endpoint } from "../../src/domain/endpoint.ts";
import type { AddressScan } from "../../src/domain/scan.ts";
import { DAY_MS } from "../../src/domain/time.ts";
import { scanReport } from "../../src/reports/scan.ts";
import { scanEndpoint } from "../../src/tls/scan/scan.ts";
import { rootsOf } from "../../src/x509/trust.ts";
import { type Authority, createRoot, type IssuedPair, type LeafOptions, newKeyPem } from "../support/ca/pki.ts";
import {
  type ServedPair,
  startTcpServer,
  startTlsServer,
  type TlsServerOptions,
} from "../support/servers/tlsServer.ts";

const NAME = "www.renewd.test";
const SIGNAL = new AbortController().signal;

let root: Authority;
let outer: Authority;
let inner: Authority;

beforeAll(async () => {
  root = await createRoot({ name: "Root" });
  outer = await root.intermediate({ name: "Outer" });
  inner = await outer.intermediate({ name: "Inner" });
});

const at = (port: number, part: Partial<Endpoint> = {}): Endpoint => ({
  host: NAME,
  port,
  sni: NAME,
  target: null,
  ...part,
});
const pair = (leaf: IssuedPair, ...above: string[]): ServedPair => ({
  keyPem: leaf.keyPem,
  certPem: [leaf.certPem, ...above].join(""),
});
const daysFromNow = (days: number): Date => new Date(Date.now() + days * DAY_MS);

interface Asked {
  readonly trusted?: readonly string[];
  readonly endpoint?: Partial<Endpoint>;
  readonly addresses?: readonly string[];
}

async function scanned(port: number, asked: Asked = {}): Promise<AddressScan[]> {
  const options = {
    roots: rootsOf(asked.trusted ?? [root.certPem]),
    timeoutMs: 10_000,
    resolve: async () => asked.addresses ?? ["127.0.0.1"],
    now: Date.now,
  };
  return scanEndpoint(at(port, asked.endpoint), options, SIGNAL);
}

async function served(server: TlsServerOptions | ServedPair, asked: Asked = {}): Promise<AddressScan> {
  await using running = await startTlsServer("certPem" in server ? { pairs: [server] } : server);
  const [scan] = await scanned(running.port, asked);
  if (scan === undefined) throw new Error("no address was scanned");
  return scan;
}

const ids = ({ findings }: AddressScan): string[] => findings.map(({ id }) => id);
const issued = (options: Partial<LeafOptions> = {}) => inner.issue({ names: [NAME], ...options });

describe("what a scan says of one address", () => {
  test("a full chain to a trusted root has no finding, and its path is named", async () => {
    const scan = await served(pair(await issued(), inner.certPem, outer.certPem));
    expect(ids(scan)).toEqual([]);
    expect(scan).toMatchObject({ protocol: "TLSv1.3", cipher: expect.stringMatching(/^TLS_/) });
    expect(scan.chains).toMatchObject([
      { trust: "trusted", path: ["Inner", "Outer", "Root"], leaf: { key: "ECDSA P-256" } },
    ]);
  });

  test("a leaf without its intermediates is incomplete, and the missing one is named", async () => {
    const scan = await served(pair(await issued()));
    expect(scan.findings).toMatchObject([
      { level: "wrong", id: "chain.incomplete", message: expect.stringContaining("certificate of Inner is missing") },
    ]);
  });

  test("a gap in the middle names what is missing there", async () => {
    const scan = await served(pair(await issued(), inner.certPem));
    expect(scan.findings).toMatchObject([
      { id: "chain.incomplete", message: expect.stringContaining("of Outer is missing") },
    ]);
  });

  test("a root that is sent but not trusted is untrusted, not incomplete", async () => {
    const own = await createRoot({ name: "Own" });
    const scan = await served(pair(await own.issue({ names: [NAME] }), own.certPem));
    expect(scan.findings[0]).toMatchObject({ id: "chain.untrusted", message: expect.stringContaining("ends at Own") });
    expect(ids(await served(pair(await own.issue({ names: [NAME] })), { trusted: [own.certPem] }))).toEqual([]);
  });

  test("a certificate that signed itself is said to be one", async () => {
    const own = await createRoot({ name: NAME });
    const scan = await served(own);
    expect(ids(scan)).toEqual(expect.arrayContaining(["chain.selfSigned", "names"]));
  });

  test.each<[string, Partial<LeafOptions>, string, string]>([
    ["expired", { notBefore: daysFromNow(-90), notAfter: daysFromNow(-1) }, "wrong", "dates.expired"],
    ["not valid yet", { notBefore: daysFromNow(1), notAfter: daysFromNow(90) }, "wrong", "dates.future"],
    ["near its end", { notBefore: daysFromNow(-85), notAfter: daysFromNow(5) }, "caution", "dates.endsSoon"],
    ["for another name", { names: ["other.renewd.test"] }, "wrong", "names"],
  ])("a certificate that is %s is found", async (_what, options, level, id) => {
    const scan = await served(pair(await issued(options), inner.certPem, outer.certPem));
    expect(scan.findings).toMatchObject([{ level, id }]);
  });

  test("a fresh six-day certificate is not near its end", async () => {
    const scan = await served(
      pair(await issued({ notBefore: daysFromNow(-3), notAfter: daysFromNow(3) }), inner.certPem, outer.certPem),
    );
    expect(ids(scan)).toEqual([]);
  });

  test("the wrong order, a root and a foreign certificate are findings that break no client", async () => {
    const foreign = await createRoot({ name: "Foreign" });
    const scan = await served(pair(await issued(), outer.certPem, inner.certPem, root.certPem, foreign.certPem));
    expect(scan.findings.map(({ level, id }) => [level, id])).toEqual([
      ["caution", "chain.order"],
      ["note", "chain.root"],
      ["note", "chain.extra"],
    ]);
    expect(scan.chains[0]?.trust).toBe("trusted");
  });

  test("an intermediate that expired is wrong, unless a cross-signed one leads to a root", async () => {
    const keyPem = newKeyPem("ecdsa-p256");
    const old = await root.intermediate({
      name: "Crossed",
      keyPem,
      notBefore: daysFromNow(-90),
      notAfter: daysFromNow(-1),
    });
    const fresh = await root.intermediate({ name: "Crossed", keyPem });
    const leaf = await fresh.issue({ names: [NAME] });
    expect(ids(await served(pair(leaf, old.certPem)))).toEqual(["chain.dates"]);
    const both = await served(pair(leaf, old.certPem, fresh.certPem));
    expect(ids(both)).toEqual(["chain.extra"]);
  });

  test("an intermediate that ends before the leaf is a caution", async () => {
    const short = await root.intermediate({ name: "Short", notAfter: daysFromNow(30) });
    const scan = await served(pair(await short.issue({ names: [NAME] }), short.certPem));
    expect(scan.findings).toMatchObject([{ level: "caution", id: "chain.endsFirst" }]);
  });

  test("a short RSA key is found", async () => {
    const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 1024 });
    const keyPem = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
    const server = {
      pairs: [pair(await issued({ keyPem }), inner.certPem, outer.certPem)],
      ciphers: "DEFAULT@SECLEVEL=0",
    };
    const scan = await served(server);
    expect(scan.findings).toMatchObject([
      { level: "wrong", id: "key.weak", message: expect.stringContaining("1024 bits") },
    ]);
  });

  test("both certificates of a server with two key types are judged, and findings say which is meant", async () => {
    const scan = await served({
      pairs: [pair(await issued(), inner.certPem, outer.certPem), pair(await issued({ keyType: "rsa-2048" }))],
    });
    expect(scan.chains.map(({ leaf, trust }) => [leaf.key, trust])).toEqual([
      ["ECDSA P-256", "trusted"],
      ["RSA 2048", "incomplete"],
    ]);
    expect(scan.findings).toMatchObject([
      { id: "chain.incomplete", message: expect.stringMatching(/^RSA 2048: the certificate of Inner is missing/) },
    ]);
  });

  test("a server that asks for a client certificate is judged all the same", async () => {
    const scan = await served({
      pairs: [pair(await issued(), inner.certPem, outer.certPem)],
      clientCertificateCa: root.certPem,
      maxVersion: "TLSv1.2",
    });
    expect(ids(scan)).toEqual(["clientCertificate"]);
    expect(scan.chains[0]?.trust).toBe("trusted");
  });

  test("active characters of a certificate's names are made harmless", async () => {
    const evil = await root.intermediate({ name: "Evil\u001b[31m\u202e" });
    const scan = await served(pair(await evil.issue({ names: [NAME] })));
    expect(JSON.stringify(scan.findings)).not.toMatch(/\\u001b|\u202e/);
  });

  test("certificates that all name each other take a bounded number of steps", async () => {
    const keyPem = newKeyPem("ecdsa-p256");
    const twins = await Promise.all(Array.from({ length: 8 }, () => root.intermediate({ name: "Root", keyPem })));
    const [first] = twins;
    if (first === undefined) throw new Error("no twin");
    const crossed = await Promise.all(twins.map(() => first.intermediate({ name: "Root", keyPem })));
    const scan = await served(pair(await first.issue({ names: [NAME] }), ...crossed.map(({ certPem }) => certPem)));
    expect(scan.durationMs).toBeLessThan(5_000);
    expect(scan.chains).toHaveLength(1);
  });
});

describe("a scan of a host", () => {
  test("asks every address, and a port that is closed or silent has a reason and an advice", async () => {
    await using server = await startTlsServer({ pairs: [pair(await issued(), inner.certPem, outer.certPem)] });
    const scans = await scanned(server.port, { addresses: ["127.0.0.1", "127.0.0.2"] });
    expect(scans.map(({ address, chains }) => [address, chains.length])).toEqual([
      ["127.0.0.1", 1],
      ["127.0.0.2", 0],
    ]);
    expect(scans[1]?.findings).toMatchObject([
      { level: "wrong", id: "verify.unreachable", advice: expect.stringContaining("port") },
    ]);
    expect(scanReport(at(server.port), scans, Date.now())).toMatchObject({ passed: false, leaves: 1 });
  });

  test("a port that never answers TLS ends at the timeout", async () => {
    await using silent = await startTcpServer(() => {});
    const options = { roots: rootsOf([]), timeoutMs: 200, resolve: async () => ["127.0.0.1"], now: Date.now };
    const [scan] = await scanEndpoint(at(silent.port), options, SIGNAL);
    expect(scan?.findings).toMatchObject([{ id: "verify.timeout", message: "no handshake within 200 ms" }]);
  });

  test("addresses that serve different certificates do not pass", async () => {
    const [one, other] = [await issued(), await issued()];
    await using first = await startTlsServer({ pairs: [pair(one, inner.certPem, outer.certPem)] });
    await using _second = await startTlsServer({
      pairs: [pair(other, inner.certPem, outer.certPem)],
      address: "127.0.0.2",
      port: first.port,
    });
    const scans = await scanned(first.port, { addresses: ["127.0.0.1", "127.0.0.2"] });
    expect(scans.flatMap(ids)).toEqual([]);
    expect(scanReport(at(first.port), scans, Date.now())).toMatchObject({ passed: false, leaves: 2 });
    expect(scanReport(at(first.port), scans.slice(0, 1), Date.now())).toMatchObject({ passed: true, leaves: 1 });
  });
});
