import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Certificate } from "../../../src/domain/certificate.ts";
import { HOUR_MS } from "../../../src/domain/time.ts";
import { FleetView, type ViewSource } from "../../../src/reports/fleetView.ts";
import { certificateList } from "../../../src/reports/lists/certificateList.ts";
import { pageOf, readQuery } from "../../../src/reports/lists/list.ts";
import { statusReport } from "../../../src/reports/status.ts";
import { DAY_MS, endpointStatus, NOW } from "../../support/model/facts.ts";
import { createEstate, ENDPOINT, type Estate } from "../../support/system/estate.ts";

/** Readings keep a distance. */
const SOON = { timeout: 20_000 };

let estate: Estate;
let now = NOW;
beforeEach(async () => {
  now = NOW;
  estate = await createEstate();
});
afterEach(() => estate[Symbol.asyncDispose]());

function sourceOf(certificates: readonly Certificate[]): ViewSource {
  const { store } = estate;
  return { store, certificates: () => certificates, options: () => ({}), now: () => now, partSize: 4 };
}

function viewOf(certificates: readonly Certificate[]): FleetView {
  return new FleetView(sourceOf(certificates));
}

test("shows what `renewd status` says, whatever the size of the parts it is read in", async () => {
  const all: Certificate[] = [];
  for (let index = 0; index < 15; index++)
    all.push(await estate.live(`c${index}`, { notAfter: NOW + (index % 5 === 0 ? -1 : 80) * DAY_MS }));
  await estate.report(all);
  const snapshot = await viewOf(all).read();
  expect(snapshot.status).toEqual(await statusReport(estate.store, all, NOW));
  const page = pageOf(
    certificateList(NOW),
    snapshot.certificates,
    readQuery(certificateList(NOW), new URLSearchParams()),
  );
  expect(page.total).toBe(15);
  expect(page.counts.get("state")).toEqual(
    new Map([
      ["expired", 3],
      ["provedLive", 12],
    ]),
  );
  // Worst first.
  expect(page.rows.slice(0, 3).every(({ state }) => state === "expired")).toBe(true);
  expect(snapshot.causes).toMatchObject([{ cause: "expired", certificates: 3 }]);
});

test("a proof that has become too old is green no longer", async () => {
  const www = await estate.live("www");
  await estate.report([www]);
  const view = viewOf([www]);
  expect((await view.read()).certificates[0]).toMatchObject({ state: "provedLive", provedAt: NOW });
  now = NOW + DAY_MS;
  expect((await view.read()).certificates[0]).toMatchObject({ state: "unknown" });
});

test("shows a change at once to the person who made it", async () => {
  const all = [await estate.live("www"), await estate.live("shop")];
  await estate.report(all);
  const view = viewOf(all);
  await view.read();
  await estate.store.certificates.update("www", { pausedAt: NOW, pausedReason: "a test", pausedUntil: null });
  await estate.store.observations.record(
    endpointStatus({ certificate: "shop", endpoint: ENDPOINT, proved: false }),
    [],
  );
  const { rows } = await view.reread(["www"]);
  expect(rows.get("www")?.state).toBe("paused");
});

test("of a large fleet makes the rows of what was read again, and of what is in trouble or replaced", async () => {
  const all = [
    await estate.live("www"),
    await estate.live("shop"),
    await estate.live("api", { notAfter: NOW - DAY_MS }),
  ];
  await estate.report(all);
  const view = new FleetView({ ...sourceOf(all), smallFleet: 0 });
  const before = await view.read();
  await estate.store.certificates.update("www", { pausedAt: NOW, pausedReason: "a test", pausedUntil: null });
  await estate.store.health.acknowledge({
    ...{ subject: "api", kinds: ["expired"], reason: "known", by: null, at: NOW, until: NOW + DAY_MS },
  });
  const after = await view.reread(["www"]);
  expect(after.rows.get("www")?.state).toBe("paused");
  expect(after.rows.get("shop")).toBe(before.rows.get("shop"));
  expect(before.rows.get("api")?.isAcknowledged).toBe(false);
  expect(after.rows.get("api")?.isAcknowledged).toBe(true);
  expect(after.endpoints).toEqual(before.endpoints);
});

test("of a large fleet shows the last reading while the next one takes its time, and whether it failed", async () => {
  const www = await estate.live("www");
  await estate.report([www]);
  let reading: Promise<void> = Promise.resolve();
  const beats = async () => {
    await reading;
    return estate.store.health.beats();
  };
  const store = { ...estate.store, health: { ...estate.store.health, beats } };
  const view = new FleetView({ ...sourceOf([www]), store, smallFleet: 0, patienceMs: 20 });
  await view.read();
  const slow = Promise.withResolvers<void>();
  reading = slow.promise;
  // Nobody looked for an hour, which is no reason to doubt the database.
  now = NOW + HOUR_MS;
  const last = await view.read();
  expect([last.at, last.isOutdated]).toEqual([NOW, false]);
  slow.resolve();
  await vi.waitFor(async () => expect((await view.read()).at).toBe(NOW + HOUR_MS), SOON);
  reading = Promise.reject(new Error("away"));
  reading.catch(() => {});
  now = NOW + 2 * HOUR_MS;
  await vi.waitFor(async () => expect(await view.read()).toMatchObject({ at: NOW + HOUR_MS, isOutdated: true }), SOON);
  reading = Promise.resolve();
  await vi.waitFor(async () => expect(await view.read()).toMatchObject({ at: now, isOutdated: false }), SOON);
});

test("of a large fleet that is read quickly shows what has happened, however soon after the last reading", async () => {
  const www = await estate.live("www");
  await estate.report([www]);
  let heard = 0;
  const view = new FleetView({ ...sourceOf([www]), smallFleet: 0, patienceMs: 60_000, heard: () => heard });
  const { seq } = await view.read();
  const of = { certificate: "www", renewalId: null, target: null, detail: {} };
  await estate.store.events.append({ ...of, at: NOW, type: "certificate.resumed" });
  await estate.store.certificates.update("www", { pausedAt: NOW, pausedReason: "a test", pausedUntil: null });
  heard = seq + 1;
  expect((await view.read()).rows.get("www")?.state).toBe("paused");
});

test("readings at the same time are one reading", async () => {
  const www = await estate.live("www");
  await estate.report([www]);
  const view = viewOf([www]);
  const [one, other] = await Promise.all([view.read(), view.read()]);
  expect(one).toBe(other);
});
