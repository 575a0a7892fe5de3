// Sources that dial, the merging of what they find, and what people hear of it, in this process.

import { writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { discover } from "../../src/compose/discovery.ts";
import { openReader } from "../../src/compose/index.ts";
import { lemurSource } from "../../src/discovery/lemur.ts";
import type { DiscoverySource } from "../../src/domain/discovery.ts";
import { Secret } from "../../src/domain/secret.ts";
import { managementBy } from "../../src/renewal/rules/unmanaged.ts";
import { announceNews, discoverCertificates } from "../../src/renewal/watch/discover.ts";
import type { DiscoverReport, InventoryReport } from "../../src/reports/inventory.ts";
import { looked } from "../discovery/looked.ts";
import { machineWith } from "../discovery/machine.ts";
import { createRoot, type IssuedPair } from "../support/ca/pki.ts";
import { NOW, sighting } from "../support/model/facts.ts";
import {
  type RunningServer,
  type RunningTlsServer,
  startTcpServer,
  startTlsServer,
} from "../support/servers/tlsServer.ts";
import { configText, createInstallation, type Installation } from "../support/system/installation.ts";

const DAY_MS = 86_400_000;
let server: RunningTlsServer;
let silent: RunningServer;
let hostile: RunningServer;
let shared: IssuedPair;
let hidden: IssuedPair;
let installation: Installation;

beforeAll(async () => {
  const root = await createRoot();
  shared = await root.issue({ names: ["www.one.test", "hidden.one.test", "*.one.test"] });
  hidden = await root.issue({ names: ["hidden.one.test"], notAfter: new Date(Date.now() + 5 * DAY_MS) });
  server = await startTlsServer({ pairs: [shared], bound: { "hidden.one.test": hidden } });
  silent = await startTcpServer(() => {});
  hostile = await startTcpServer((socket) => socket.end("\u0015\u0003\u0001 220 not TLS \u001b[31m\r\n".repeat(1_000)));
});
afterAll(async () => {
  await Promise.all([server, silent, hostile].map((each) => each[Symbol.asyncDispose]()));
});
beforeEach(async () => {
  installation = await createInstallation(configText(["www"]));
  return () => installation[Symbol.asyncDispose]();
});

async function run<T>(...args: string[]): Promise<T> {
  const { stdout, stderr, code } = await installation.run(...args, "--json");
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout) as T;
}

describe("dialling", () => {
  test("a network and then every name seen at its addresses: one row each, with all its places", async () => {
    const network = ["127.0.0.1/32", "--port", String(server.port), "--allow", "127.0.0.0/8"];
    const first = await run<DiscoverReport>("discover", ...network, "sni");
    expect(first.runs.map(({ source, found, problems }) => [source, found, problems])).toEqual([
      ["sni", 0, []],
      ["networks", 1, []],
    ]);
    const second = await run<DiscoverReport>("discover", "sni", "--allow", "127.0.0.0/8");
    expect(second.certificates.map(({ names }) => names)).toEqual([["hidden.one.test"]]);
    const { certificates } = await run<InventoryReport>("inventory");
    expect(certificates.map(({ names, places }) => [names[0], places.map(({ place }) => place)])).toEqual([
      ["hidden.one.test", [`hidden.one.test at 127.0.0.1:${server.port}`]],
      ["www.one.test", [`127.0.0.1:${server.port}`, `www.one.test at 127.0.0.1:${server.port}`]],
    ]);
    // What is found is watched from now on.
    const watched = await installation.store.watched.list();
    expect(watched.map(({ origin, endpoint: { sni } }) => [origin, sni]).sort()).toEqual([
      ["found", "127.0.0.1"],
      ["found", "hidden.one.test"],
      ["found", "www.one.test"],
    ]);
  });

  test.each(["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"])("never %s unless it is allowed", async (host) => {
    let dialled = 0;
    await using counting = await startTcpServer((socket) => {
      dialled += 1;
      socket.end();
    });
    const { runs } = await run<DiscoverReport>("discover", `${host}:${counting.port}`);
    expect(runs[0]?.problems.join()).toMatch(/private, link-local or of this machine, and not dialled .*--allow/);
    expect(runs[0]?.found).toBe(0);
    expect(dialled).toBe(0);
  });

  test("what is silent, closed or talks nonsense costs its time and no more", async () => {
    const config = JSON.parse(configText(["www"]));
    config.discovery = { timeout: "300ms", allow: ["127.0.0.1"] };
    await writeFile(installation.configFile, JSON.stringify(config));
    const places = [silent.port, hostile.port, 1].map((port) => `127.0.0.1:${port}`);
    const { runs } = await run<DiscoverReport>("discover", ...places, `127.0.0.1:${server.port}`);
    expect(runs[0]?.found).toBe(1);
    expect(runs[0]?.problems.toSorted()).toEqual([
      `127.0.0.1:1: no handshake (ECONNREFUSED)`,
      expect.stringMatching(new RegExp(`^127\\.0\\.0\\.1:(${silent.port}|${hostile.port}): no `)),
      expect.stringMatching(new RegExp(`^127\\.0\\.0\\.1:(${silent.port}|${hostile.port}): no `)),
    ]);
  });

  test("a run that is stopped keeps what it has found", async () => {
    const stop = new AbortController();
    const source: DiscoverySource = {
      name: "networks",
      async look(report, signal) {
        report.found(sighting().certificate, sighting().place);
        stop.abort(new Error("stopped"));
        signal.throwIfAborted();
      },
    };
    await using reader = await openReader(installation.configFile);
    const settings = { expiringMs: DAY_MS, managementOf: managementBy([]) };
    await expect(discoverCertificates(reader, [() => source], settings, stop.signal)).rejects.toThrow("stopped");
    expect(await reader.store.inventory.list()).toHaveLength(1);
    expect(await reader.store.inventory.runs()).toMatchObject([
      { found: 1, problems: ["it was stopped before its end"] },
    ]);
  });

  test("is stopped at once", async () => {
    await using reader = await openReader(installation.configFile);
    const hosts = Array.from({ length: 500 }, () => ({ host: "127.0.0.1", port: silent.port }));
    const allow = [{ address: "127.0.0.0", prefix: 8, family: "ipv4" as const }];
    const settings = { ...reader.config.discovery, hosts, allow, rate: 10 };
    const stop = new AbortController();
    const running = discover(reader, { sources: ["hosts"], settings, picks: [] }, stop.signal);
    stop.abort(new Error("stopped"));
    await expect(running).rejects.toThrow("stopped");
  });

  test.each([
    [["nosuchsource"], /is no source: servers, clients, files/],
    [["10.0.0.0/8"], /has more than 65536 addresses/],
    [["a b"], /"a b" must be/],
    [["zone:example.org"], /write zone:example\.org@ns1/],
    [["ct", "--password", "hunter2"], /--password: (?!.*hunter2)/],
    [["hosts", "--allow", "private"], /--allow: "private" must be an address or a network/],
    [["hosts", "--pick", "00"], /--pick: is for Certificate Transparency/],
    [["hosts", "--port", "0"], /--port: "0" is no port/],
  ])("refuses %j with one message", async (args, message) => {
    const { code, stderr } = await installation.run("discover", ...args);
    expect(stderr).toMatch(message);
    expect(code).toBe(2);
  });
});

test("web servers' configurations and other clients' state: the pair, the target, the names to dial", async () => {
  await using machine = await machineWith({
    "/etc/nginx/nginx.conf": `http { server { listen 443 ssl; server_name www.one.test;
      ssl_certificate /etc/tls/www.pem; ssl_certificate_key /etc/tls/www.key; } }`,
    "/etc/tls/www.pem": shared.certPem,
    "/etc/letsencrypt/renewal/old.conf": "fullchain = /etc/tls/old.pem\nprivkey = /etc/tls/old.key\n",
    "/etc/tls/old.pem": hidden.certPem,
  });
  await using reader = await openReader(installation.configFile);
  const settings = { ...reader.config.discovery };
  const request = { sources: ["servers", "clients"] as const, settings, picks: [] };
  const { runs, certificates } = await discover(reader, request, AbortSignal.timeout(10_000), machine.root);
  expect(runs.map(({ found, problems }) => [found, problems])).toEqual([
    [1, []],
    [1, []],
  ]);
  expect(certificates.map(({ places }) => places[0]?.place).sort()).toEqual([
    "/etc/tls/old.pem of certbot (old)",
    "/etc/tls/www.pem of nginx, says /etc/nginx/nginx.conf",
  ]);
  const { stdout } = await installation.run("inventory", "adopt", certificates[0]?.fingerprint ?? "");
  expect(stdout).toMatch(/type: nginx|Where its files are is not known/);
});

test("Lemur's certificates, page by page, and never its token", async () => {
  const asked: string[] = [];
  const lemur = createServer((request, response) => {
    asked.push(String(request.headers.authorization));
    const page = Number(new URL(request.url ?? "", "http://x").searchParams.get("page"));
    const items =
      page > 2 ? [] : [{ id: page, name: `c${page}`, body: page === 1 ? shared.certPem : "broken", private_key: "no" }];
    if (request.url?.includes("broken")) response.statusCode = 500;
    response.end(page === 3 ? "token s3cret is wrong" : JSON.stringify({ items, total: 101 * 3 }));
  }).listen(0, "127.0.0.1");
  await new Promise((done) => lemur.once("listening", done));
  const url = `http://127.0.0.1:${(lemur.address() as AddressInfo).port}`;
  const source = lemurSource({ url, token: async () => new Secret("s3cret") });
  try {
    await expect(looked(source)).rejects.toThrow(/\(Lemur\): its answer is not a list of certificates$/);
    expect(asked).toEqual(["Bearer s3cret", "Bearer s3cret", "Bearer s3cret"]);
  } finally {
    await new Promise((done) => lemur.close(done));
  }
});

describe("news", () => {
  const news = async () => {
    const events = await installation.store.events.list({ types: ["discovery.found"], limit: 50 });
    return events.map(({ detail: { source, kind, count } }) => `${count} ${kind} in ${source}`).sort();
  };
  const tell = (now: number) =>
    announceNews(
      { store: installation.store, clock: { now: () => now, monotonic: () => 0, sleep: async () => {} } },
      { expiringMs: 30 * DAY_MS, managementOf: managementBy(installation.certificates) },
    );

  test("is one event for each source and cause, once in a certificate's life", async () => {
    const { inventory } = installation.store;
    const many = Array.from({ length: 30 }, (_, index) =>
      sighting({ fingerprint: index.toString(16).padStart(64, "0"), notAfter: NOW + 80 * DAY_MS }),
    );
    const soon = sighting(
      { fingerprint: "d".repeat(64), notAfter: NOW + 3 * DAY_MS },
      { source: "files", endpoint: null },
    );
    const gone = sighting({ fingerprint: "c".repeat(64), notAfter: NOW - 1 }, { source: "files", endpoint: null });
    const theirs = sighting({ fingerprint: "b".repeat(64), notAfter: NOW + 3 * DAY_MS });
    await inventory.record([...many, soon, gone, theirs], NOW);
    await inventory.ignore("b".repeat(64), { reason: "theirs", by: null, at: NOW, until: NOW + 50 * DAY_MS });
    await tell(NOW);
    await tell(NOW + 1);
    expect(await news()).toEqual(["1 expiring in files", "30 unmanaged in hosts"]);
    // What is ignored no longer is news; the end of what an endpoint serves is told of where it is watched.
    await tell(NOW + 51 * DAY_MS);
    await tell(NOW + 52 * DAY_MS);
    expect(await news()).toEqual(["1 expiring in files", "1 unmanaged in hosts", "30 unmanaged in hosts"]);
  });

  test("is not what an endpoint of the configuration serves", async () => {
    const endpoint = { host: "192.0.2.1", port: 443, address: "192.0.2.1", sni: "www.example.org", starttls: null };
    await installation.store.inventory.record([sighting({}, { endpoint })], NOW);
    await tell(NOW);
    expect(await news()).toEqual([]);
    expect((await run<InventoryReport>("inventory")).certificates[0]?.management).toBe("watched");
  });

  test("an ignored certificate is in the history with who, why and until when", async () => {
    await installation.store.inventory.record([sighting()], Date.now());
    await run("discover", installation.directory);
    expect((await installation.store.watched.list()).map(({ endpoint }) => endpoint.sni)).toEqual([
      "stray.example.org",
    ]);
    const digits = sighting().certificate.fingerprint.slice(0, 8);
    await run("inventory", "ignore", digits, "--reason", "the CDN renews it", "--until", "90d");
    const [event] = await installation.store.events.list({ types: ["inventory.ignored"], limit: 1 });
    expect(await installation.store.watched.list()).toEqual([]);
    expect(event?.detail).toMatchObject({ reason: "the CDN renews it", name: "stray.example.org" });
    expect((await run<InventoryReport>("inventory", "--unmanaged")).certificates).toEqual([]);
    expect((await installation.run("inventory", "ignore", digits, "--until", "9d")).stderr).toMatch(/--reason/);
  });
});

test("no private key is in the inventory, whatever lies beside a certificate", async () => {
  await writeFile(join(installation.directory, "both.pem"), shared.keyPem + shared.certPem);
  await run("discover", installation.directory);
  const { stdout } = await installation.run("inventory", "--json");
  const key = shared.keyPem.replace(/-----[^-]+-----|\s/g, "");
  expect(stdout).toContain("both.pem");
  expect(stdout).not.toContain(key.slice(30, 60));
});
