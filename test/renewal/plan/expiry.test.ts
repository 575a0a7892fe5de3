import { afterEach, beforeEach, expect, it } from "vitest";
import { silentLog } from "../../../src/cli/silentLog.ts";
import { type App, openContext, withoutQueue } from "../../../src/compose/index.ts";
import type { Context } from "../../../src/renewal/context.ts";
import { warnOfExpiry } from "../../../src/renewal/plan/expiry.ts";
import { expiryWarningAt } from "../../../src/renewal/rules/window.ts";
import { DAY_MS, version } from "../../support/model/facts.ts";
import { configText, createInstallation, type Installation } from "../../support/system/installation.ts";

const signal = new AbortController().signal;
let estate: Installation;
let app: App;
let context: Context;
let now: number;
let expiresAt: number;

/** Paused by somebody who forgot it: the planner is not at fault, and nobody else would say a word. */
beforeEach(async () => {
  estate = await createInstallation(configText(["www"]));
  app = await openContext(estate.configFile, { log: silentLog });
  now = Date.now();
  expiresAt = now + 80 * DAY_MS;
  context = {
    ...withoutQueue(app.context),
    clock: { ...app.context.clock, now: () => now },
    clockGuard: { check: async () => {} },
  };
  const leaf = { ...version().leaf, notBefore: expiresAt - 90 * DAY_MS, notAfter: expiresAt };
  await estate.issue(version({ leaf }));
  await estate.store.certificates.update("www", {
    expiryWarningAt: expiryWarningAt(leaf),
    pausedAt: now,
    pausedReason: "migration",
  });
});
afterEach(async () => {
  await app.close();
  await estate[Symbol.asyncDispose]();
});

const events = () => estate.store.events.list({ types: ["certificate.expiring"], limit: 9 });

it("says nothing of a certificate that has time", async () => {
  now = expiresAt - 5 * DAY_MS;
  expect(await warnOfExpiry(context, signal)).toBe(0);
  expect(await events()).toEqual([]);
});

it("pages once before the end and once at it, with what keeps it from being renewed", async () => {
  now = expiresAt - 4 * DAY_MS;
  expect(await Promise.all([warnOfExpiry(context, signal), warnOfExpiry(context, signal)])).toContain(1);
  expect(await warnOfExpiry(context, signal)).toBe(0);
  now = expiresAt;
  expect(await warnOfExpiry(context, signal)).toBe(1);
  expect(await warnOfExpiry(context, signal)).toBe(0);
  now = expiresAt + 30 * DAY_MS;
  expect(await warnOfExpiry(context, signal)).toBe(0);
  const [before, at, ...more] = await events();
  expect(more).toEqual([]);
  expect(before).toMatchObject({
    at: expiresAt - 4 * DAY_MS,
    certificate: "www",
    detail: { generation: 1, expiresAt, expired: false, why: "paused: migration" },
  });
  expect(at).toMatchObject({ at: expiresAt, detail: { expired: true } });
});

it("is content with a newer version that was proved, and warns of that one's end", async () => {
  const leaf = { ...version().leaf, notBefore: now, notAfter: expiresAt + 60 * DAY_MS };
  await estate.issue(version({ generation: 2, leaf }));
  await estate.store.certificates.update("www", { expiryWarningAt: expiryWarningAt(leaf) });
  now = expiresAt + DAY_MS;
  expect(await warnOfExpiry(context, signal)).toBe(0);
  now = expiresAt + 59 * DAY_MS;
  expect(await warnOfExpiry(context, signal)).toBe(1);
  expect(await events()).toMatchObject([{ detail: { generation: 2, expiresAt: leaf.notAfter } }]);
});

it("warns of the proved version while a newer one is unproved, and of an imported one before it is proved", async () => {
  await estate.issue(
    version({ generation: 2, verifiedAt: null, leaf: { ...version().leaf, notAfter: expiresAt + 90 * DAY_MS } }),
  );
  now = expiresAt - DAY_MS;
  expect(await warnOfExpiry(context, signal)).toBe(1);
  expect(await events()).toMatchObject([{ detail: { generation: 1, expiresAt } }]);
  await estate.issue(
    version({
      generation: 3,
      issuer: "imported",
      verifiedAt: null,
      leaf: { ...version().leaf, notAfter: expiresAt + 1 },
    }),
  );
  await estate.store.certificates.update("www", { expiryWarningAt: now });
  expect(await warnOfExpiry(context, signal)).toBe(1);
  expect((await events()).at(-1)).toMatchObject({ detail: { generation: 3 } });
});

it("forgets a certificate that left the configuration without a word", async () => {
  now = expiresAt - DAY_MS;
  const gone: Context = { ...context, services: { ...context.services, certificate: () => null } };
  expect(await warnOfExpiry(gone, signal)).toBe(0);
  expect(
    (await estate.store.certificates.get("www"))?.expiryWarningAt,
    "a planner that was not reloaded leaves it to others",
  ).not.toBeNull();
  await estate.store.certificates.sync([], now);
  expect(await warnOfExpiry(gone, signal)).toBe(0);
  expect(await events()).toEqual([]);
  expect(await estate.store.certificates.get("www")).toMatchObject({ expiryWarningAt: null });
});
