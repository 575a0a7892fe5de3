// Every call of the store that one tick makes about a certificate fails, each for a certificate of its own: the others
// go on.
import { expect, it } from "vitest";
import { RenewalError } from "../../../src/domain/errors.ts";
import type { Store } from "../../../src/domain/store.ts";
import { createParts } from "../../../src/renewal/plan/parts.ts";
import { planTick } from "../../../src/renewal/plan/tick.ts";
import { DAY_MS } from "../../support/model/facts.ts";
import { modelCertificate, NO_SIGNAL, Workbench } from "../../support/model/workbench.ts";

const HEALTHY = ["healthy-1", "healthy-2"];

type OnCall = (call: string, args: readonly unknown[]) => void;

/** The store, and every transaction of it, with `onCall` before each call; what that throws is the call's failure. */
function watched(store: Store, onCall: OnCall): Store {
  const port = (name: string, target: object): object =>
    new Proxy(target, {
      get(of, key) {
        const member: unknown = Reflect.get(of, key);
        if (typeof member !== "function") return member;
        return async (...args: unknown[]) => {
          onCall(`${name}.${String(key)}`, args);
          return Reflect.apply(member, of, args);
        };
      },
    });
  return new Proxy(store, {
    get(of, key) {
      const member: unknown = Reflect.get(of, key);
      if (key === "transaction")
        return (work: (tx: Store) => Promise<unknown>) => of.transaction((tx) => work(watched(tx, onCall)));
      return typeof member === "object" && member !== null ? port(String(key), member) : member;
    },
  });
}

/** All are issued and live; then their emergency has begun, with the expiry warning and the CA's window due. */
async function open(names: readonly string[]): Promise<Workbench> {
  const bench = await Workbench.open([...names, ...HEALTHY].map((name) => modelCertificate(name, { endpoints: [] })));
  await bench.begin();
  await bench.work();
  const version = await bench.store.versions.latest("healthy-1");
  bench.now = (version?.leaf.notAfter ?? 0) - DAY_MS;
  for (const { name } of bench.certificates) await bench.store.certificates.update(name, { nextCheckAt: bench.now });
  bench.sql(`update renewal_infos set next_poll_at = ${bench.now}`);
  return bench;
}

const isAbout = (name: string, args: readonly unknown[]): boolean => JSON.stringify(args).includes(`"${name}"`);

async function tick(bench: Workbench, onCall: OnCall): Promise<void> {
  const context = { ...bench.context, store: watched(bench.store, onCall) };
  await planTick(context, createParts(context), NO_SIGNAL);
}

it("each fails alone, whichever part of the tick makes it", { timeout: 180_000 }, async () => {
  const calls = new Set<string>();
  {
    await using bench = await open(["poison"]);
    await tick(bench, (call, args) => void (isAbout("poison", args) && calls.add(call)));
  }
  expect(calls.size).toBeGreaterThan(8);

  const poisoned = new Map([...calls].map((call, index) => [`poison-${index}`, call]));
  await using bench = await open([...poisoned.keys()]);
  const failed = new Set<string>();
  await tick(bench, (call, args) => {
    for (const [name, failing] of poisoned) {
      if (failing !== call || !isAbout(name, args)) continue;
      failed.add(call);
      throw new RenewalError("internal.bug", `${call} of ${name}`);
    }
  });
  expect([...calls].filter((call) => !failed.has(call))).toEqual([]);

  const warned = await bench.store.events.list({ types: ["certificate.expiring"], limit: 1_000 });
  for (const name of HEALTHY) {
    expect(await bench.store.renewals.active(name), name).toMatchObject({ reason: "emergency" });
    expect((await bench.store.renewalInfos.get(name))?.nextPollAt, name).toBeGreaterThan(bench.now);
    expect(warned.map(({ certificate }) => certificate)).toContain(name);
  }
  const parts = await bench.store.events.list({ types: ["planner.partFailed"], limit: 100 });
  expect(parts.map(({ detail }) => detail.message)).toEqual([]);
  const reported = await bench.store.events.list({ types: ["certificate.unplannable"], limit: 1_000 });
  const unplannable = new Set(reported.map(({ certificate }) => certificate));
  expect(HEALTHY.filter((name) => unplannable.has(name))).toEqual([]);
  for (const [name, call] of poisoned) {
    const active = await bench.store.renewals.active(name);
    const record = await bench.store.certificates.get(name);
    const isMovedOn = active !== null || (record?.nextCheckAt ?? 0) > bench.now;
    // One whose row takes no writes cannot be moved on; people are paged.
    expect(isMovedOn || unplannable.has(name), `${name}, for which ${call} failed`).toBe(true);
  }
});
