import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:https";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { openContext } from "../../src/compose/index.ts";
import { statusReport } from "../../src/reports/status.ts";
import { openStore, openVault } from "../../src/store/index.ts";
import { type Authority, createRoot } from "../support/ca/pki.ts";
import { configured } from "./configured.ts";

const DAY_MS = 86_400_000;
const NO_SIGNAL = new AbortController().signal;
const silent = { debug() {}, info() {}, warn() {}, error() {} };

interface ScriptedCa {
  readonly directory: string;
  /** What its answers say. */
  date: () => Date;
  headers: Record<string, string>;
  asked: number;
}

/** Answers its directory with whatever Date the test wants. `host` is another name of this machine, so another CA. */
async function scriptedCa(root: Authority, host: string): Promise<ScriptedCa> {
  const { certPem, keyPem } = await root.issue({ names: [host] });
  const ca: ScriptedCa = { directory: "", date: () => new Date(), headers: {}, asked: 0 };
  const server = createServer({ cert: certPem, key: keyPem }, (_request, response) => {
    ca.asked += 1;
    response.sendDate = false;
    response.writeHead(200, { date: ca.date().toUTCString(), ...ca.headers }).end("{}");
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("no port");
  return Object.assign(ca, { directory: `https://${host}:${address.port}/directory` });
}

async function withTwoCas() {
  const root = await createRoot();
  const [le, zero] = [await scriptedCa(root, "localhost"), await scriptedCa(root, "127.0.0.1")];
  const { directory, configFile } = await configured((file) => {
    const options = { termsOfServiceAgreed: true, trust: "root.pem" };
    const certificate = (issuer: string) => ({ names: [`${issuer}.example.org`], endpoints: ["127.0.0.1:1"], issuer });
    return {
      ...file,
      // On this machine, so it is no witness, and it is not there.
      redis: { url: "redis://127.0.0.1:1" },
      issuers: { le: { ...options, directory: le.directory }, zero: { ...options, directory: zero.directory } },
      defaults: { issuer: "le", solver: "http", targets: ["disk"] },
      certificates: { one: certificate("le"), two: certificate("zero") },
    };
  });
  await writeFile(join(directory, "root.pem"), root.certPem);
  const open = async () => {
    const app = await openContext(configFile, { log: silent, asksCa: true });
    onTestFinished(() => app.close());
    return app;
  };
  return { le, zero, open };
}

it("one CA's wrong Date stops orders at that CA alone, and is recorded; two that agree stop theirs, and a person", async () => {
  const { le, zero, open } = await withTwoCas();
  zero.date = () => new Date(Date.now() + 40 * DAY_MS + 1_800_000);
  const app = await open();
  const { clockGuard, store } = app.context;
  await clockGuard.check(NO_SIGNAL, "le");
  await expect(clockGuard.check(NO_SIGNAL, "zero")).rejects.toMatchObject({ code: "acme.clock" });
  const [dissent] = await store.events.list({ types: ["clock.dissent"], limit: 5 });
  expect(dissent?.detail).toMatchObject({ issuers: ["zero"], message: expect.stringContaining("is 40 d ahead") });
  const calm = await statusReport(store, app.config.certificates, Date.now());
  expect(calm.notices.map(({ what }) => what)).not.toContainEqual(expect.stringContaining("stopped all its work"));
  expect(calm.notices[0]).toMatchObject({
    kind: "clock",
    what: expect.stringMatching(/^the CA's clock \(issuer "zero"\) is 40 d ahead of this machine's/),
    needsPerson: false,
  });

  le.date = zero.date;
  const of = { certificate: null, renewalId: null, target: null };
  await store.events.append({ ...of, at: Date.now(), type: "planner.partRecovered", detail: { part: "plan" } });
  const { clockGuard: lone } = (await open()).context;
  await lone.check(NO_SIGNAL);
  await expect(lone.check(NO_SIGNAL, "le")).rejects.toMatchObject({ code: "acme.clock" });
  const status = await statusReport(store, app.config.certificates, Date.now());
  expect(status.needsPerson).toBe(true);
  expect(status.notices[0]).toMatchObject({
    what: expect.stringMatching(/^no CA agrees with this machine's clock, so nothing is issued: the CA's clock/),
    needsPerson: true,
  });

  le.date = zero.date = () => new Date();
  await (await open()).context.clockGuard.check(NO_SIGNAL, "zero");
  const after = await statusReport(store, app.config.certificates, Date.now());
  expect(
    after.notices.map(({ what }) => what),
    "the next process of this host ends the state",
  ).not.toContainEqual(expect.stringContaining("no CA agrees"));
  expect(after.notices.filter(({ kind }) => kind === "clock")).toEqual([]);
});

it("two CAs that agree against a new installation stop everything, which status shows first", async () => {
  const { le, zero, open } = await withTwoCas();
  le.date = zero.date = () => new Date(Date.now() + 40 * DAY_MS + 1_800_000);
  const { context, config } = await open();
  await expect(context.clockGuard.check(NO_SIGNAL, "le")).rejects.toMatchObject({ code: "clock.skewed" });
  const status = await statusReport(context.store, config.certificates, Date.now());
  expect(status.notices[0]).toMatchObject({
    what: expect.stringMatching(/has stopped all its work: this machine's clock is 40 d behind/),
    needsPerson: true,
  });
});

it("the stop of a machine that has ended, or of which nothing is heard any more, is no notice", async () => {
  const { open } = await withTwoCas();
  const { context, config } = await open();
  const { store } = context;
  const clockNotices = async () =>
    (await statusReport(store, config.certificates, Date.now())).notices.filter(({ kind }) => kind === "clock");
  const elsewhere = async (worker: string) => {
    const other = await openStore(config.store, await openVault(config.masterKey), worker);
    onTestFinished(() => other.close());
    return other.events;
  };
  const of = { certificate: null, renewalId: null, target: null };
  await (await elsewhere("gone/1")).append({ ...of, at: 5, type: "clock.skewed", detail: { message: "40 d ahead" } });
  expect(await clockNotices()).toMatchObject([{ id: "clock/gone" }]);
  const others = await elsewhere("other/1");
  for (const hours of [1, 5])
    await others.append({
      ...of,
      at: hours * 3_600_000,
      type: "process.fault",
      detail: { role: "planner", error: "" },
    });
  expect(await clockNotices()).toEqual([]);
});

it("a Date from a cache is no witness: with an Age, or when it stands still between two answers", async () => {
  const { le, zero, open } = await withTwoCas();
  const stale = new Date(Date.now() - 3 * DAY_MS);
  le.date = zero.date = () => stale;
  le.headers = { age: "259200" };
  const { clockGuard, store } = (await open()).context;
  for (const issuer of ["le", "zero"]) await clockGuard.check(NO_SIGNAL, issuer);
  expect(zero.asked).toBe(2);
  expect(await store.events.list({ types: ["clock.dissent", "clock.skewed"], limit: 5 })).toEqual([]);
});
