import { afterEach, beforeEach, expect, it } from "vitest";
import { createRevocationLists } from "../../../src/acme/revocationLists.ts";
import { silentLog } from "../../../src/cli/silentLog.ts";
import { type App, openContext, withoutQueue } from "../../../src/compose/index.ts";
import type { RevocationLists } from "../../../src/domain/revocation.ts";
import type { Context } from "../../../src/renewal/context.ts";
import { planDue } from "../../../src/renewal/plan/plan.ts";
import { checkRevocations } from "../../../src/renewal/watch/revocations.ts";
import { readLeaf } from "../../../src/x509/leaf.ts";
import { type ListServer, makeCrl, REVOKED_AT, startListServer } from "../../support/ca/crl.ts";
import { type Authority, createRoot } from "../../support/ca/pki.ts";
import { DAY_MS, version } from "../../support/model/facts.ts";
import { configText, createInstallation, type Installation } from "../../support/system/installation.ts";

const NAMES = ["api", "shop", "www"];
const signal = new AbortController().signal;

let server: ListServer;
let root: Authority;
let estate: Installation;
let app: App;
let context: Context;
let aheadMs: number;
const lists: RevocationLists = createRevocationLists(() => ({
  directory: "https://127.0.0.1:1/",
  privateAddresses: null,
}));

beforeEach(async () => {
  server = await startListServer();
  root = await createRoot();
  estate = await createInstallation(configText(NAMES));
  app = await openContext(estate.configFile, { log: silentLog });
  aheadMs = 0;
  const { clock } = app;
  context = {
    ...withoutQueue(app.context),
    clock: { ...clock, now: () => clock.now() + aheadMs },
    clockGuard: { check: async () => {} },
  };
  for (const certificate of NAMES) {
    const { certPem } = await root.issue({ names: [`${certificate}.example.org`], crlUrls: [`${server.url}/all.crl`] });
    await estate.issue(version({ certificate, leaf: readLeaf(certPem), leafPem: certPem, chainPem: [root.certPem] }));
    await estate.store.certificates.update(certificate, { nextCheckAt: Date.now() + 80 * DAY_MS });
  }
});
afterEach(async () => {
  await app.close();
  await estate[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

async function publish(...certificates: readonly string[]): Promise<void> {
  const serials = await Promise.all(
    certificates.map(async (name) => (await estate.store.versions.latest(name))?.leaf.serial ?? ""),
  );
  const list = await makeCrl(root, { revoked: Object.fromEntries(serials.map((serial) => [serial, "keyCompromise"])) });
  server.answer = (_request, response) => response.end(list);
}

it("replaces at once what a CA's list revokes, and history names the list; each is fetched once a day for all", async () => {
  await publish("shop");
  expect(await checkRevocations(context, lists, signal)).toBe(1);
  expect(await estate.store.versions.latest("shop")).toMatchObject({ revokedAt: REVOKED_AT });
  expect(await estate.store.versions.latest("www")).toMatchObject({ revokedAt: null });
  const events = await estate.store.events.list({ types: ["version.revoked"], limit: 9 });
  expect(events).toMatchObject([
    { certificate: "shop", detail: { generation: 1, reason: "keyCompromise", source: `${server.url}/all.crl` } },
  ]);
  expect((await estate.run("history", "shop")).stdout).not.toContain("undefined");
  expect(await planDue(context, signal)).toMatchObject([{ certificate: "shop", reason: "revoked" }]);

  await publish("shop", "www");
  expect(await checkRevocations(context, lists, signal)).toBe(0);
  aheadMs = DAY_MS + 1;
  expect(await checkRevocations(context, lists, signal)).toBe(1);
  expect(server.asked).toEqual(["/all.crl", "/all.crl"]);
  expect(await estate.store.events.list({ types: ["version.revoked"], limit: 9 })).toHaveLength(2);
});

it("a list that cannot be had changes nothing and is asked for again some hours later", async () => {
  expect(await checkRevocations(context, lists, signal)).toBe(0);
  aheadMs = 3_600_000;
  expect(await checkRevocations(context, lists, signal)).toBe(0);
  expect(server.asked).toHaveLength(1);
  await publish("api");
  aheadMs = 7 * 3_600_000;
  expect(await checkRevocations(context, lists, signal)).toBe(1);
  expect(server.asked).toHaveLength(2);
});

it("nothing is asked about what has expired, is known to be revoked or left the configuration", async () => {
  await publish("api");
  await estate.store.versions.markRevoked("api", 1, Date.now());
  const others = {
    ...context.services,
    certificate: (name: string) => (name === "www" ? null : context.services.certificate(name)),
  };
  const asked: string[] = [];
  const watching: RevocationLists = {
    ...lists,
    urlsOf({ certificate }) {
      asked.push(certificate);
      return [];
    },
  };
  await checkRevocations({ ...context, services: others }, watching, signal);
  expect(asked).toEqual(["shop"]);
  aheadMs = 400 * DAY_MS;
  await checkRevocations(context, watching, signal);
  expect(asked).toEqual(["shop"]);
});

it("of several planners at once one fetches a list", async () => {
  await publish("www");
  const found = await Promise.all([1, 2, 3].map(() => checkRevocations(context, lists, signal)));
  expect(found.toSorted()).toEqual([0, 0, 1]);
  expect(server.asked).toEqual(["/all.crl"]);
});
