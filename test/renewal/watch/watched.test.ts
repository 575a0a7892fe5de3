// Endpoints of certificates that somebody else renews, at real TLS servers.
import { connect, type Socket } from "node:net";
import { afterAll, beforeAll, beforeEach, expect, it, onTestFinished } from "vitest";
import { addressGate, parseNetwork } from "../../../src/domain/addressRange.ts";
import { NOBODY } from "../../../src/domain/responsibility.ts";
import { DAY_MS, HOUR_MS, MINUTE_MS } from "../../../src/domain/time.ts";
import type { WatchDefinition, WatchLook } from "../../../src/domain/watched.ts";
import { FORGOTTEN_MS } from "../../../src/renewal/rules/watched.ts";
import { lookAtWatched } from "../../../src/renewal/watch/lookAtWatched.ts";
import { alertsReport } from "../../../src/reports/alerts.ts";
import { watchedNotices, watchedReport } from "../../../src/reports/watched.ts";
import { createProbe } from "../../../src/tls/probe.ts";
import { createServedJudge } from "../../../src/tls/scan/servedJudge.ts";
import { rootsOf } from "../../../src/x509/trust.ts";
import { type Authority, createRoot } from "../../support/ca/pki.ts";
import { AlertBench, alertCertificate } from "../../support/model/alertBench.ts";
import { watchDefinition } from "../../support/model/watched.ts";
import { NO_SIGNAL } from "../../support/model/workbench.ts";
import { startTcpServer, startTlsServer } from "../../support/servers/tlsServer.ts";

const NAME = "partner.example.org";
const NOW = Date.UTC(2026, 0, 1);
/** A busy machine takes its time; those that are silent on purpose are waited for less. */
const HANDSHAKE_MS = 20_000;
const SILENT_MS = 250;

let [root, ca]: Authority[] = [];
let estate: AlertBench;
/** Addresses by host name: what DNS says. */
let dns: Record<string, readonly string[]>;

beforeAll(async () => {
  root = await createRoot({ name: "Partner Root", notBefore: days(-900), notAfter: days(3_000) });
  ca = await root.intermediate({ name: "Partner CA", notBefore: days(-900), notAfter: days(900) });
  estate = await AlertBench.open([alertCertificate("www")]);
  estate.channel("ops");
  const probe = createProbe({
    timeoutMs: HANDSHAKE_MS,
    now: () => estate.bench.now,
    resolve: async (host) => dns[host] ?? ["127.0.0.1"],
  });
  const judge = createServedJudge(() => rootsOf([root?.certPem ?? ""]));
  Object.assign(estate.context, { probe, judge });
  await estate.after(0);
});
afterAll(() => estate[Symbol.asyncDispose]());
beforeEach(async () => {
  dns = {};
  allow("127.0.0.0/8");
  estate.sent.length = 0;
  for (const { key } of await estate.bench.store.watched.list()) await estate.bench.store.watched.remove(key);
});

function allow(...networks: readonly string[]): void {
  const allowed = networks.map((each) => parseNetwork(each) ?? expect.unreachable());
  Object.assign(estate.context.settings, { mayDial: addressGate(allowed) });
}

function days(count: number): Date {
  return new Date(NOW + count * DAY_MS);
}

async function leafFor(names: readonly string[], from: number, to: number) {
  const leaf = await (ca ?? expect.unreachable()).issue({ names, notBefore: days(from), notAfter: days(to) });
  return { ...leaf, chained: { certPem: leaf.certPem + ca?.certPem, keyPem: leaf.keyPem } };
}

async function serve(options: Parameters<typeof startTlsServer>[0]) {
  const server = await startTlsServer(options);
  let isOpen = true;
  const close = async () => {
    if (isOpen) await server[Symbol.asyncDispose]();
    isOpen = false;
  };
  onTestFinished(close);
  return { port: server.port, close };
}

async function watch(...definitions: readonly WatchDefinition[]): Promise<void> {
  await estate.bench.store.watched.configure(definitions, estate.bench.now);
}

async function look(key: string): Promise<WatchLook> {
  const { watched } = estate.bench.store;
  estate.bench.now += 1_000;
  await watched.bringForward(estate.bench.now);
  await lookAtWatched(estate.context, NO_SIGNAL);
  return (await watched.get(key))?.look ?? expect.unreachable();
}

it("names what is wrong: names, dates, chain and trust; only what a client accepts is good", async () => {
  const good = await leafFor([NAME], -10, 80);
  const old = await leafFor([NAME], -90, -1);
  const ending = await leafFor([NAME], -85, 5);
  const self = await createRoot({ name: NAME, notBefore: days(-5), notAfter: days(300) });
  const cases = [
    ["good", good.chained, {}, "good"],
    ["names", good.chained, { sni: "other.example.org" }, "wrongCertificate"],
    ["expired", old.chained, {}, "notValid"],
    ["incomplete", good, {}, "badChain"],
    ["self", self, { sni: NAME }, "wrongCertificate"],
    ["ending", ending.chained, {}, "ending"],
  ] as const;
  const definitions: WatchDefinition[] = [];
  for (const [key, pair, endpoint] of cases) {
    const { port } = await serve({ pairs: [pair] });
    definitions.push(watchDefinition(key, { port, sni: NAME, ...endpoint }));
  }
  const { port } = await serve({ pairs: [good] });
  definitions.push(watchDefinition("ours", { port, sni: NAME }, { expects: { minLeftMs: null, trusted: false } }));
  await watch(...definitions);
  await look("good");
  const found = new Map((await estate.bench.store.watched.list()).map(({ key, look }) => [key, look?.state]));
  expect(Object.fromEntries(found)).toEqual({
    ...Object.fromEntries(cases.map(([key, , , state]) => [key, state])),
    ours: "good",
  });
});

it("raises one alert for a certificate at its end, however many endpoints serve it, until a new one is served", async () => {
  const [ending, next] = [await leafFor([NAME], -85, 5), await leafFor([NAME], 0, 90)];
  const before = await serve({ pairs: [ending.chained] });
  const { port } = before;
  await watch(watchDefinition("a", { port, sni: NAME }), watchDefinition("b", { port, sni: NAME, host: "b.example" }));
  expect(await look("a")).toMatchObject({ state: "ending", expiresAt: days(5).getTime() });
  await estate.after(0);
  expect(estate.texts()).toEqual([expect.stringMatching(/^opened 2 certificates .*serial .*expires in [45] d/)]);
  const anna = { ...NOBODY, owner: "anna" };
  const { context, bench } = estate;
  const source = { store: bench.store, settings: context.settings.alerts, channels: bench.channels, peers: [] };
  const report = await alertsReport(
    { ...source, responsibilityOf: (member) => (member === "watch:c" ? NOBODY : anna) },
    { all: false, alert: null },
    bench.now,
  );
  expect(report.alerts).toMatchObject([{ certificates: ["watch:a", "watch:b"], responsible: [anna] }]);
  await before.close();
  await serve({ pairs: [next.chained], port });
  expect(await look("a")).toMatchObject({ state: "good" });
  await estate.after(0);
  await estate.after(HOUR_MS);
  expect(estate.texts().at(-1)).toMatch(/^resolved 2 certificates /);
  const [place] = await estate.bench.store.served.places({ name: "127.0.0.1", port }, 9);
  const changes = await estate.bench.store.served.changes(place?.key ?? "", { limit: 9 });
  expect(changes).toMatchObject([{ chain: [expect.any(String)] }, { chain: [expect.any(String)] }]);
  expect(new Set(changes.map(({ leaf }) => leaf)).size).toBe(2);
});

it("finds the address that still serves what another has replaced, and no fault where each has its own", async () => {
  const [old, next] = [await leafFor([NAME], -20, 70), await leafFor([NAME], -1, 89)];
  dns["lb.example"] = ["127.0.0.1", "127.0.0.2"];
  const first = await serve({ pairs: [old.chained] });
  const { port } = first;
  await serve({ pairs: [old.chained], port, address: "127.0.0.2" });
  await watch(watchDefinition("lb", { host: "lb.example", port, sni: NAME }));
  expect(await look("lb")).toMatchObject({ state: "good" });
  await first.close();
  const second = await serve({ pairs: [next.chained], port });
  const stale = await look("lb");
  expect(stale).toMatchObject({ state: "stale", problem: { code: "verify.stale" } });
  expect(stale.problem?.message).toMatch(/^127\.0\.0\.2: serves serial .* while 127\.0\.0\.1 serves its successor/);
  await second.close();
  // Never seen at the newest address before: each member has a certificate of its own.
  dns["own.example"] = ["127.0.0.2", "127.0.0.3"];
  await serve({ pairs: [next.chained], port, address: "127.0.0.3" });
  await watch(watchDefinition("own", { host: "own.example", port, sni: NAME }));
  expect(await look("own")).toMatchObject({ state: "good" });
});

it("finds the one member of ten that still serves the old certificate at the same address, by one look", async () => {
  const [old, next] = [await leafFor([NAME], -20, 70), await leafFor([NAME], -1, 89)];
  const members = [await serve({ pairs: [next.chained] }), await serve({ pairs: [old.chained] })];
  let [connections, stale] = [0, true];
  const balancer = await startTcpServer((client) => {
    const member = members[stale && connections++ % 10 === 7 ? 1 : 0] ?? expect.unreachable();
    const server = connect(member.port, "127.0.0.1");
    client.pipe(server).pipe(client);
    for (const socket of [client, server]) socket.on("error", () => [client, server].map((each) => each.destroy()));
  });
  onTestFinished(() => balancer[Symbol.asyncDispose]());
  await watch(watchDefinition("lb", { port: balancer.port, sni: NAME }));
  for (let looks = 0; looks < 3; looks++) {
    const seen = await look("lb");
    expect(seen).toMatchObject({ state: "stale", expiresAt: days(70).getTime(), problem: { code: "verify.stale" } });
    expect(seen.problem?.message).toMatch(/^127\.0\.0\.1: serves serial \S+ until .* to some connections, and serial/);
    expect(seen.addresses).toHaveLength(2);
  }
  stale = false;
  expect(await look("lb")).toMatchObject({ state: "good", expiresAt: days(89).getTime() });
  expect((await look("lb")).addresses).toHaveLength(1);
});

it("dials what was found only where anybody may, and the very address that was judged", async () => {
  const { port } = await serve({ pairs: [(await leafFor([NAME], -10, 80)).chained] });
  const found = watchDefinition("found@x:1", { host: "rebinds.example", port, sni: NAME });
  await estate.bench.store.watched.addFound([{ ...found, origin: "found" }], estate.bench.now);
  allow();
  expect(await look(found.key)).toMatchObject({ state: "unverifiable", problem: { code: "verify.forbidden" } });
  expect((await estate.bench.store.watched.get(found.key))?.look?.addresses).toEqual([]);
  allow("127.0.0.1/32");
  // The name leads elsewhere as soon as it was asked for: a second look-up would dial what was never judged.
  const answers = [["127.0.0.1"], ["127.0.0.9"]];
  Object.defineProperty(dns, "rebinds.example", { get: () => answers.shift() ?? expect.unreachable() });
  expect(await look(found.key)).toMatchObject({ state: "good" });
  expect(answers).toEqual([["127.0.0.9"]]);
});

it("dials a private address for `watch:` where it is written, or `allow` names it, and metadata services only then", async () => {
  const { port } = await serve({ pairs: [(await leafFor([NAME], -10, 80)).chained] });
  Object.assign(dns, { "inside.example": ["127.0.0.1"], "both.example": ["127.0.0.1", "169.254.169.254"] });
  const hosts = ["127.0.0.1", "localhost", "inside.example", "both.example", "169.254.169.254", "fe80::1", "::"];
  const every = hosts.map((host) => watchDefinition(`at-${host}`, { host, port, sni: NAME }));
  const states = async () => {
    await look("at-127.0.0.1");
    const found = await estate.bench.store.watched.list();
    return hosts.map((host) => found.find(({ endpoint }) => endpoint.host === host)?.look);
  };
  allow();
  await watch(...every);
  const forbidden = { state: "unverifiable", problem: { code: "verify.forbidden" }, addresses: [] };
  const refused = [forbidden, forbidden, forbidden, forbidden, forbidden];
  expect(await states()).toMatchObject([{ state: "good" }, { state: "good" }, ...refused]);
  allow("127.0.0.0/8");
  const [, , inside, both, ...never] = await states();
  expect(inside).toMatchObject({ state: "good" });
  expect(both).toMatchObject({ ...forbidden, addresses: [{ state: "good" }] });
  expect(both?.problem?.message).toMatch(/^169\.254\.169\.254 is in a private or link-local network/);
  expect(never).toMatchObject([forbidden, forbidden, forbidden]);
});

it("expects no name of an address that discovery dialled, and the end of its certificate all the same", async () => {
  const at = async (from: number, to: number) => {
    const { port } = await serve({ pairs: [(await leafFor([NAME], from, to)).chained] });
    const found = watchDefinition(`127.0.0.1@127.0.0.1:${port}`, { host: "127.0.0.1", port, sni: "127.0.0.1" });
    await estate.bench.store.watched.addFound([{ ...found, origin: "found" }], estate.bench.now);
    return found.key;
  };
  const [good, ending] = [await at(-10, 80), await at(-85, 5)];
  expect([(await look(good)).state, (await look(ending)).state]).toEqual(["good", "ending"]);
});

it("calls nothing good at which nobody looks any more, and says so in status and to people", async () => {
  const { port } = await serve({ pairs: [(await leafFor([NAME], -10, 80)).chained] });
  await watch(watchDefinition("a", { port, sni: NAME }));
  expect(await look("a")).toMatchObject({ state: "good" });
  const { store } = estate.bench;
  const seen = async () => {
    const { endpoints } = await watchedReport(store, estate.bench.now);
    const notices = await watchedNotices(store, estate.bench.now);
    return [endpoints.map(({ state, errorCode }) => [state, errorCode]), notices.map(({ id }) => id)];
  };
  const due = (await store.watched.get("a"))?.nextLookAt ?? expect.unreachable();
  estate.bench.now = due + FORGOTTEN_MS;
  expect(await seen()).toEqual([[["good", null]], []]);
  estate.bench.now += MINUTE_MS;
  expect(await seen()).toEqual([[["unseen", "verify.unseen"]], ["watched/unseen"]]);
  await estate.after(0);
  await estate.after(2 * MINUTE_MS);
  expect(estate.texts()).toEqual([expect.stringMatching(/^opened .*nobody has looked at a watched endpoint, due for/)]);
  expect(await look("a")).toMatchObject({ state: "good" });
  expect(await seen()).toEqual([[["good", null]], []]);
});

it("takes its time from those that never answer, and from nobody else", async () => {
  const waiting = new Set<Socket>();
  let together = 0;
  const silent = await startTcpServer((client) => {
    waiting.add(client);
    together = Math.max(together, waiting.size);
    client.once("close", () => waiting.delete(client));
  });
  onTestFinished(() => silent[Symbol.asyncDispose]());
  const { port } = await serve({ pairs: [(await leafFor([NAME], -10, 80)).chained] });
  const many = Array.from({ length: 40 }, (_, i) => {
    const to = i % 2 === 0 ? { port: silent.port, handshakeTimeoutMs: SILENT_MS } : { port };
    return watchDefinition(`a-${i}`, { sni: NAME, host: `a-${i}.example`, ...to });
  });
  await watch(...many);
  expect(await look("a-0")).toMatchObject({ state: "unreachable", problem: { code: "verify.timeout" } });
  // One after another the silent ones alone would take as many limits. A busy machine takes longer for everything.
  expect(together).toBeGreaterThan(1);
  const states = Object.groupBy(await estate.bench.store.watched.list(), ({ look: seen }) => seen?.state ?? "unseen");
  expect([states.good?.length, states.unreachable?.length]).toEqual([20, 20]);
});
