// Rows that this release cannot read, beside healthy certificates in the same database.
import { describe, expect, it } from "vitest";
import { RenewalError } from "../../../src/domain/errors.ts";
import { ERRORS } from "../../../src/domain/errorTable.ts";
import type { HistoryEvent } from "../../../src/domain/event.ts";
import { createParts, type Parts } from "../../../src/renewal/plan/parts.ts";
import { planTick } from "../../../src/renewal/plan/tick.ts";
import { notifyPeople } from "../../../src/renewal/watch/notify.ts";
import { statusReport } from "../../../src/reports/status.ts";
import { DAY_MS } from "../../support/model/facts.ts";
import { modelCertificate, NO_SIGNAL, Workbench } from "../../support/model/workbench.ts";

const POISON = "a-poison";
const HEALTHY = ["healthy-1", "healthy-2"];
const HOUR_MS = 3_600_000;

/** All are issued and live; then their emergency has begun, with the expiry warning due. */
async function open(): Promise<{ bench: Workbench; parts: Parts }> {
  const bench = await Workbench.open([POISON, ...HEALTHY].map((name) => modelCertificate(name, { endpoints: [] })));
  await bench.begin();
  await bench.work();
  const version = await bench.store.versions.latest("healthy-1");
  bench.now = (version?.leaf.notAfter ?? 0) - DAY_MS;
  for (const name of [POISON, ...HEALTHY]) await bench.store.certificates.update(name, { nextCheckAt: bench.now });
  bench.sql(`update renewal_infos set next_poll_at = ${bench.now}`);
  return { bench, parts: createParts(bench.context) };
}

function eventsOf(bench: Workbench, type: HistoryEvent["type"]): Promise<HistoryEvent[]> {
  return bench.store.events.list({ types: [type], limit: 100 });
}

async function expectHealthyServed(bench: Workbench): Promise<void> {
  for (const name of HEALTHY) {
    expect(await bench.store.renewals.active(name), name).toMatchObject({ reason: "emergency" });
    expect((await bench.store.renewalInfos.get(name))?.nextPollAt, name).toBeGreaterThan(bench.now);
  }
  const warned = (await eventsOf(bench, "certificate.expiring")).map(({ certificate }) => certificate);
  expect(warned).toEqual(expect.arrayContaining(HEALTHY));
}

const DAMAGE = [
  ["a key type of a newer release", "update versions set leaf = replace(leaf, 'ecdsa-p256', 'ml-dsa-65')"],
  ["a leaf of another shape", "update versions set leaf = '[]'"],
  ["a chain that is no list", "update versions set chain_pem = '{}'"],
] as const;

describe("one certificate that cannot be planned", () => {
  it.each(DAMAGE)("for %s: the others are planned, warned of and polled", async (_, damage) => {
    const { bench, parts } = await open();
    await using _bench = bench;
    bench.sql(`${damage} where certificate = '${POISON}'`);
    await planTick(bench.context, parts, NO_SIGNAL);
    await expectHealthyServed(bench);
    expect(await bench.store.certificates.get(POISON)).toMatchObject({
      planErrorCode: "store.altered",
      planErrorMessage: expect.stringContaining(`version 1 of ${POISON}`),
    });
    expect((await bench.store.certificates.get(POISON))?.nextCheckAt).toBeGreaterThan(bench.now);
  });

  it("whose row takes no writes is recorded all the same, once", async () => {
    const { bench, parts } = await open();
    await using _bench = bench;
    bench.sql(`create trigger stuck before update on certificates when old.name = '${POISON}'
      begin select raise(abort, 'no writes'); end`);
    for (let tick = 0; tick < 3; tick++, bench.now += HOUR_MS) await planTick(bench.context, parts, NO_SIGNAL);
    await expectHealthyServed(bench);
    const found = await eventsOf(bench, "certificate.unplannable");
    expect(found.map(({ certificate }) => certificate)).toEqual([POISON]);
    expect(found[0]?.detail.message).toContain("no writes");
  });

  it("is moved on, reported once, shown in status and paged, until its row is whole again", async () => {
    const { bench, parts } = await open();
    await using _bench = bench;
    const sent: string[] = [];
    bench.channels.set("pager", {
      from: "page",
      keepsAlerts: false,
      send: async ({ certificate, message }) => void sent.push(`${certificate} ${message}`),
    });
    await notifyPeople(bench.context, NO_SIGNAL);
    bench.sql(`update versions set leaf = replace(leaf, '"dns"', '"newer"') where certificate = '${POISON}'`);
    for (let tick = 0; tick < 5; tick++, bench.now += HOUR_MS) await planTick(bench.context, parts, NO_SIGNAL);
    expect(await eventsOf(bench, "certificate.unplannable")).toHaveLength(1);
    expect((await bench.store.certificates.get(POISON))?.planFailures).toBeGreaterThan(2);

    const { problems } = await statusReport(bench.store, bench.certificates, bench.now);
    expect(problems.find(({ certificate }) => certificate === POISON)).toMatchObject({
      needsPerson: true,
      problems: [{ kind: "unplannable", what: expect.stringContaining("cannot be planned, so nothing renews it") }],
      actions: [ERRORS["store.altered"].action],
    });
    await notifyPeople(bench.context, NO_SIGNAL);
    expect(sent).toContainEqual(expect.stringMatching(new RegExp(`^${POISON} .*cannot be planned`)));

    bench.sql(`update versions set leaf = replace(leaf, '"newer"', '"dns"') where certificate = '${POISON}'`);
    await planTick(bench.context, parts, NO_SIGNAL);
    expect(await bench.store.renewals.active(POISON)).toMatchObject({ reason: "emergency" });
    expect(await bench.store.certificates.get(POISON)).toMatchObject({ planFailures: 0, planErrorCode: null });
    expect(await eventsOf(bench, "certificate.plannable")).toHaveLength(1);
  });

  it("a deadlock is no fault of the certificate: the third in a row is reported", async () => {
    const { bench, parts } = await open();
    await using _bench = bench;
    const { renewals } = bench.store;
    const away = new RenewalError("store.unavailable", "deadlock");
    const context = {
      ...bench.context,
      store: {
        ...bench.store,
        renewals: {
          ...renewals,
          planningFacts: (name: string) => (name === POISON ? Promise.reject(away) : renewals.planningFacts(name)),
        },
      },
    };
    const reported: number[] = [];
    for (let tick = 0; tick < 4; tick++, bench.now += HOUR_MS) {
      await planTick(context, parts, NO_SIGNAL);
      reported.push((await eventsOf(bench, "certificate.unplannable")).length);
    }
    expect(reported).toEqual([0, 0, 1, 1]);
    await expectHealthyServed(bench);
  });
});

describe("one part of a tick that fails", () => {
  it("stops no other part; it is reported once, shown in status, and its end is reported", async () => {
    const { bench, parts } = await open();
    await using _bench = bench;
    bench.sql("alter table ledger rename to lost");
    for (let tick = 0; tick < 3; tick++) await planTick(bench.context, parts, NO_SIGNAL);
    await expectHealthyServed(bench);
    expect((await eventsOf(bench, "planner.partFailed")).map(({ detail }) => detail.part)).toEqual(["ledger"]);
    bench.sql("alter table lost rename to ledger");
    const failing = await statusReport(bench.store, bench.certificates, bench.now);
    expect(failing.notices).toContainEqual(
      expect.objectContaining({ needsPerson: true, what: expect.stringContaining("counting the CAs' limits") }),
    );
    await planTick(bench.context, parts, NO_SIGNAL);
    expect(await eventsOf(bench, "planner.partRecovered")).toHaveLength(1);
    expect(
      (await statusReport(bench.store, bench.certificates, bench.now)).notices.map(({ kind }) => kind),
    ).not.toContain("planner");
  });
});

it("an instant that is no date is shown, and keeps no other certificate from being shown", async () => {
  const { bench } = await open();
  await using _bench = bench;
  bench.sql(`update certificates set next_attempt_at = 9e18 where name = '${POISON}'`);
  const { summary } = await statusReport(bench.store, bench.certificates, bench.now);
  expect(summary.certificates).toBe(3);
});

describe("rows of other tables that cannot be read", () => {
  it("a damaged event does not block the notifications behind it", async () => {
    const { bench, parts } = await open();
    await using _bench = bench;
    const sent: string[] = [];
    bench.channels.set("pager", {
      from: "page",
      keepsAlerts: false,
      send: async ({ more = [] }) => void sent.push(...more.flatMap(([, value]) => value.split(", "))),
    });
    await notifyPeople(bench.context, NO_SIGNAL);
    await planTick(bench.context, parts, NO_SIGNAL);
    bench.sql(
      `drop trigger events_no_update; update events set detail = '{"at":{}}' where type = 'certificate.expiring' and certificate = '${POISON}'`,
    );
    await notifyPeople(bench.context, NO_SIGNAL);
    expect(sent).toEqual(expect.arrayContaining(HEALTHY));
  });

  it("a damaged receipt makes its target begin again from nothing, and the history says so", async () => {
    const { bench, parts } = await open();
    await using _bench = bench;
    bench.sql(`update deployments set receipt = '[]' where certificate = '${POISON}' and target = 'a'`);
    await planTick(bench.context, parts, NO_SIGNAL);
    await bench.work();
    for (const name of HEALTHY) expect(await bench.renewal(name)).toMatchObject({ state: "succeeded", generation: 2 });
    for (const row of await bench.store.deployments.list(POISON))
      expect(row).toMatchObject({ deployedGeneration: 2, errorCode: null });
    expect(await bench.store.events.list({ types: ["target.drifted"], limit: 9 })).toMatchObject([
      { certificate: POISON, target: "a", detail: { problem: "has a row in the database that renewd did not write" } },
    ]);
  });
});
