import { once } from "node:events";
import { chmod, rm, truncate, writeFile } from "node:fs/promises";
import { createServer as createHttpsServer } from "node:https";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { configurationDigest } from "../../src/compose/applied.ts";
import { openPatient } from "../../src/compose/doctor/patient.ts";
import { checkClock } from "../../src/compose/doctor/services.ts";
import { packageVersion } from "../../src/compose/packageVersion.ts";
import { loadConfig } from "../../src/config/load.ts";
import type { DoctorCheck, DoctorReport } from "../../src/reports/doctor.ts";
import { createRoot } from "../support/ca/pki.ts";
import { heartbeat } from "../support/model/facts.ts";
import { createPairIssuer } from "../support/pairs/issuedPairs.ts";
import { startRedis } from "../support/servers/redis.ts";
import { configText, createInstallation, type Installation, NO_REDIS } from "../support/system/installation.ts";

let installation: Installation;
beforeEach(async () => {
  installation = await createInstallation(text({}));
  await chmod(join(installation.directory, "data"), 0o700);
});
afterEach(() => installation[Symbol.asyncDispose]());

/** An IP address needs no DNS and a private Redis no server, so nothing waits. */
function text(patch: object): string {
  const base = JSON.parse(configText([]));
  const certificates = { www: { names: ["127.0.0.1"], endpoints: ["127.0.0.1:1"] } };
  return JSON.stringify({
    ...base,
    redis: undefined,
    http01: { host: "127.0.0.1", port: 8403 },
    certificates,
    ...patch,
  });
}

async function examined(patch?: object): Promise<DoctorReport & { readonly code: number }> {
  if (patch !== undefined) await writeFile(installation.configFile, text(patch));
  const { stdout, code } = await installation.run("doctor", "--json");
  return { ...JSON.parse(stdout), code };
}

const inArea = ({ checks }: DoctorReport, area: string): readonly DoctorCheck[] =>
  checks.filter((check) => check.area === area);

describe("doctor names what is wrong, and how to fix it:", () => {
  test("a CA, a Redis and a target that do not answer, each for itself, with exit code 1", async () => {
    const report = await examined({ redis: { url: NO_REDIS } });
    expect(report).toMatchObject({ version: 1, healthy: false, code: 1, file: installation.configFile });
    for (const [area, code] of [
      ["ca", "acme.connection"],
      ["redis", "queue.unavailable"],
      ["targets", "deploy.io"],
    ] as const)
      expect(inArea(report, area)).toMatchObject([{ result: "failed", code, fix: expect.stringMatching(/\S/) }]);
    expect(inArea(report, "configuration")).toMatchObject([{ result: "passed" }]);
    expect(inArea(report, "database")).toMatchObject([{ result: "passed" }]);
    expect(inArea(report, "ports")).toMatchObject([{ result: "passed" }]);
  });

  test("a Redis that would drop jobs, with its version when it is right", async () => {
    await using evicting = await startRedis({ listen: "tcp", policy: "allkeys-lru" });
    expect(inArea(await examined({ redis: { url: evicting.url } }), "redis")).toMatchObject([
      { result: "failed", code: "queue.misconfigured", message: expect.stringContaining("allkeys-lru") },
    ]);
    await evicting.command("config", "set", "maxmemory-policy", "noeviction");
    await evicting.command("config", "set", "appendonly", "yes");
    expect(inArea(await examined(), "redis")).toMatchObject([
      { result: "passed", message: expect.stringMatching(/^version \d+\.\d+.*noeviction$/) },
    ]);
  });

  test("every mistake of the file with its place, and what needs no file is checked all the same", async () => {
    await installation.store.health.beat([heartbeat({ beatAt: Date.now() })]);
    const report = await examined({ isuers: {}, planer: {} });
    expect(inArea(report, "configuration").filter(({ result }) => result === "failed").length).toBeGreaterThan(1);
    expect(inArea(report, "configuration")[0]?.subject).toMatch(/renewd\.yaml:\d+:\d+$/);
    expect(inArea(report, "targets")).toMatchObject([{ result: "notChecked" }]);
    expect(inArea(report, "files").some(({ result }) => result === "passed")).toBe(true);
    expect(report.code).toBe(1);
  });

  test("no file at all", async () => {
    await rm(installation.configFile);
    expect(inArea(await examined(), "configuration")).toMatchObject([
      { result: "failed", message: expect.stringContaining("renewd init") },
    ]);
  });

  test("a secret that is missing, and one that everybody can read", async () => {
    const key = join(installation.directory, "hook");
    await writeFile(key, "https://hooks.example.org/planted-token\n");
    await chmod(key, 0o644);
    const notifications = {
      ops: { type: "webhook", url: `file:${key}` },
      other: { type: "webhook", url: "env:RENEWD_TEST_UNSET" },
    };
    const report = await examined({ notifications });
    expect(inArea(report, "secrets")).toMatchObject([
      { subject: "channel ops", result: "warning", fix: `chmod 600 ${key}` },
      {
        subject: "channel other",
        result: "failed",
        code: "config.secret",
        fix: expect.stringContaining("RENEWD_TEST_UNSET"),
      },
      { result: "passed", message: "1 can be read by this user" },
    ]);
    expect(JSON.stringify(report)).not.toContain("planted-token");
  });

  test("what other users may open, with the command that closes it", async () => {
    const key = join(installation.directory, "data", "master.key");
    await chmod(key, 0o644);
    await chmod(installation.configFile, 0o666);
    const report = await examined();
    expect(inArea(report, "files").find(({ subject }) => subject === key)).toMatchObject({
      result: "failed",
      fix: `chmod 600 ${key}`,
    });
    expect(inArea(report, "configuration")[0]).toMatchObject({ fix: `chmod o-w ${installation.configFile}` });
    await chmod(join(installation.directory, "data"), 0o777);
    expect(inArea(await examined(), "files")[0]).toMatchObject({ result: "failed", code: "store.exposed" });
  });

  test("a damaged database, a missing key, and an installation that has never run", async () => {
    const data = join(installation.directory, "data");
    await rm(join(data, "master.key"));
    expect(inArea(await examined(), "database")).toMatchObject([
      { result: "failed", message: expect.stringContaining("is missing although") },
    ]);
    await installation.store.close();
    await rm(join(data, "renewd.db-wal"), { force: true });
    await truncate(join(data, "renewd.db"), 5_000);
    const report = await examined();
    expect(inArea(report, "database")).toMatchObject([
      { result: "failed", code: expect.stringMatching(/^store\./), fix: expect.stringMatching(/\S/) },
    ]);
    expect(inArea(report, "ca")).toMatchObject([{ result: "failed", code: "acme.connection" }]);
    expect(inArea(report, "names")).not.toEqual([]);
    await rm(data, { recursive: true });
    expect(inArea(await examined(), "database")).toMatchObject([
      { result: "failed", fix: expect.stringContaining(`renewd -c ${installation.configFile} run`) },
    ]);
    expect(inArea(await examined(), "files")[0]).toMatchObject({ message: "will be created at the first start" });
  });

  test("a port that another program has", async () => {
    const squatter = createServer().listen(8403, "127.0.0.1");
    await once(squatter, "listening");
    const report = await examined();
    squatter.close();
    expect(inArea(report, "ports")).toMatchObject([{ result: "failed", code: "http01.address" }]);
  });

  test("a channel whose receiver refuses, and that nobody is notified at all", async () => {
    expect(inArea(await examined(), "channels")).toMatchObject([
      { result: "warning", message: expect.stringContaining("nobody") },
    ]);
    const { cursors } = installation.store;
    const claimed = await cursors.claim("ops", Date.now(), { leaseMs: 60_000, retryMaxMs: 60_000 });
    if (claimed === null) throw new Error("the channel is free");
    await cursors.release(claimed, { seq: 0, failures: 3, nextAttemptAt: null, lastErrorMessage: "HTTP 410" });
    await writeFile(join(installation.directory, "hook"), "https://hooks.example.org/x");
    const notifications = { ops: { type: "webhook", url: "file:hook" } };
    expect(inArea(await examined({ notifications }), "channels")).toMatchObject([
      { subject: "channel ops", result: "failed", message: "failed 3 times in a row: HTTP 410" },
    ]);
  });

  test("processes that do not run, and one that works by an old configuration", async () => {
    expect(inArea(await examined(), "processes")).toMatchObject([
      { result: "failed", fix: expect.stringContaining(`renewd -c ${installation.configFile} run`) },
    ]);
    const roles = ["planner", "acme", "deployer", "verifier"] as const;
    await installation.store.health.beat(
      roles.map((role) => heartbeat({ role, beatAt: Date.now(), digest: "old", version: "0.0.1" })),
    );
    expect(inArea(await examined(), "processes")).toMatchObject([
      {
        result: "failed",
        message: expect.stringContaining("another configuration"),
        fix: expect.stringContaining("reload"),
      },
      { result: "warning", message: expect.stringContaining("release 0.0.1") },
    ]);
  });

  test("a channel that nobody has reloaded for, and that nothing was sent by yet", async () => {
    const loaded = await loadConfig(installation.configFile);
    if (!loaded.ok) throw new Error("the configuration is right");
    const digest = configurationDigest(loaded.config);
    const roles = ["planner", "acme", "deployer", "verifier"] as const;
    const version = packageVersion;
    await installation.store.health.beat(
      roles.map((role) => heartbeat({ role, beatAt: Date.now(), usefulAt: Date.now(), digest, version })),
    );
    expect(inArea(await examined(), "processes")).toMatchObject([{ result: "passed" }]);
    const notifications = { ops: { type: "command", command: ["/bin/true"] } };
    const report = await examined({ notifications });
    expect(inArea(report, "processes")).toMatchObject([
      { result: "failed", message: expect.stringContaining("another configuration") },
    ]);
    expect(inArea(report, "channels")).toMatchObject([{ result: "notChecked" }]);
    // A planner that runs has a place for it in the history: that is no try.
    const { cursors, alerts } = installation.store;
    const claimed = await cursors.claim("ops", Date.now(), { leaseMs: 60_000, retryMaxMs: 60_000 });
    if (claimed === null) throw new Error("the channel is free");
    await cursors.release(claimed, { seq: 0, failures: 0, nextAttemptAt: null, lastErrorMessage: null });
    expect(inArea(await examined(), "channels")).toMatchObject([
      { result: "notChecked", message: "never tried; `renewd notify ops` tries it" },
    ]);
    const state = await alerts.lock();
    await alerts.saveState({ ...state, selfTests: { ops: { at: Date.now(), error: null } } });
    expect(inArea(await examined(), "channels")).toMatchObject([
      { result: "passed", message: expect.stringMatching(/^took what was sent 20/) },
    ]);
  });

  test("a CA that answers with a page of its own, though it tells the time", async () => {
    const root = await createRoot({ name: "CA" });
    const pair = await root.issue({ names: ["127.0.0.1"] });
    const server = createHttpsServer({ cert: pair.certPem, key: pair.keyPem }, (_, response) => {
      response.writeHead(200, { "content-type": "text/html" }).end("<!doctype html><title>Sign in</title>");
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const directory = `https://127.0.0.1:${port}/directory`;
    await writeFile(join(installation.directory, "ca.pem"), root.certPem);
    const report = await examined({ issuers: { ca: { directory, trust: "ca.pem", termsOfServiceAgreed: true } } });
    expect(inArea(report, "ca")).toMatchObject([
      { result: "failed", code: "acme.directory", message: expect.stringContaining("the answer is text/html") },
    ]);
    expect(inArea(report, "clock")).toMatchObject([{ result: "passed" }]);
    server.close();
    server.closeAllConnections();
  });

  test("a clock that differs from the CA's", async () => {
    await using patient = await openPatient(installation.configFile);
    const ahead = [{ witness: "the CA of issuer ca", aheadMs: -3_600_000 }];
    expect(await checkClock(patient, ahead)).toMatchObject([
      { result: "failed", code: "clock.skewed", message: "1 h ahead of the CA of issuer ca" },
    ]);
    expect(await checkClock(patient, [{ witness: "the CA of issuer ca", aheadMs: 400 }])).toMatchObject([
      { result: "passed" },
    ]);
  });
});

test("what failed comes first in text, each with its fix below it, within 80 columns", async () => {
  const { stdout, code } = await installation.run("doctor");
  expect(code).toBe(1);
  const lines = stdout.split("\n");
  expect(lines[0]).toMatch(/^something is wrong \(\d+ failed, /);
  expect(lines[1]).toMatch(/^✗ /);
  expect(lines[2]).toMatch(/^ {2}fix: /);
  expect(lines.findIndex((line) => line.startsWith("✓"))).toBeGreaterThan(
    lines.findLastIndex((line) => line.startsWith("✗")),
  );
});

describe("doctor checks where the web role listens:", () => {
  test("a port that another program has, an address that the machine lacks, and a free one", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    const { port } = other.address() as AddressInfo;
    const taken = inArea(await examined({ web: { port } }), "web");
    expect(taken).toMatchObject([
      {
        result: "failed",
        code: "web.address",
        message: expect.stringMatching(/another program/),
        fix: expect.stringMatching(/ss -ltnp/),
      },
    ]);
    other.close();
    await once(other, "close");
    expect(inArea(await examined({ web: { port } }), "web")).toMatchObject([{ result: "passed" }]);
    const nowhere = await examined({ web: { host: "192.0.2.1", port, insecure: true } });
    expect(inArea(nowhere, "web")).toMatchObject([
      { result: "failed", message: expect.stringMatching(/no such address: correct `web.host`/) },
    ]);
    expect(inArea(await examined({ web: { enabled: false } }), "web")).toMatchObject([{ result: "notChecked" }]);
  });

  test("a certificate that is missing, does not fit its key, has expired, or whose key everybody can read", async () => {
    const directory = installation.directory;
    const tls = { certificate: join(directory, "web.pem"), key: join(directory, "web.key") };
    const missing = inArea(await examined({ web: { tls } }), "web");
    expect(missing[0]).toMatchObject({
      result: "failed",
      code: "web.files",
      message: expect.stringMatching(/cannot read .*web.pem/),
    });
    const issuer = await createPairIssuer();
    const [pair, other] = [
      await issuer.issue({ certificate: "www", generation: 1 }),
      await issuer.issue({ certificate: "api", generation: 1 }),
    ];
    await writeFile(tls.certificate, `${pair.leafPem}${pair.chainPem.join("")}`, { mode: 0o644 });
    await writeFile(tls.key, other.privateKey.reveal(), { mode: 0o600 });
    expect(inArea(await examined(), "web")[0]).toMatchObject({
      result: "failed",
      message: expect.stringMatching(/cannot be used/),
    });
    await writeFile(tls.key, pair.privateKey.reveal());
    const results = async (): Promise<string[]> => inArea(await examined(), "web").map(({ result }) => result);
    const fits = await results();
    await chmod(tls.key, 0o644);
    expect(await results()).toEqual(["warning", ...fits]);
  });
});

test("doctor says how much room there is, and that Redis keeps no append-only file", async () => {
  await using redis = await startRedis({ listen: "tcp" });
  await redis.command("config", "set", "appendonly", "no");
  const report = await examined({ redis: { url: redis.url } });
  expect(inArea(report, "disk")).toMatchObject([
    { message: expect.stringMatching(/^[\d.]+ [GM]iB are free \(\d+ %\)$/) },
  ]);
  expect(inArea(report, "redis").at(-1)).toMatchObject({
    result: "warning",
    fix: expect.stringContaining("appendonly yes"),
  });
  await redis.command("config", "set", "appendonly", "yes");
  expect(inArea(await examined(), "redis")).toMatchObject([{ result: "passed" }]);
});

test("doctor asks a Redis that is too busy to answer at once again, for longer", async () => {
  await using redis = await startRedis({ listen: "tcp" });
  const { hostname, port } = new URL(redis.url);
  const silent: Socket[] = [];
  const proxy = createServer((client) => {
    client.on("error", () => {});
    // The first one is never answered.
    if (silent.push(client) === 1) return;
    const server = connect(Number(port), hostname).on("error", () => client.destroy());
    client.pipe(server).pipe(client);
    client.on("close", () => server.destroy());
  });
  await once(proxy.listen(0, "127.0.0.1"), "listening");
  const { port: at } = proxy.address() as AddressInfo;
  const report = await examined({ redis: { url: `redis://127.0.0.1:${at}` } });
  for (const socket of silent) socket.destroy();
  proxy.close();
  expect(silent.length).toBeGreaterThan(1);
  expect(inArea(report, "redis")[0]).toMatchObject({ result: "passed" });
});
