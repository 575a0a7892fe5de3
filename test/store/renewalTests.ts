import { describe, expect, test } from "vitest";
import { CLOCK_SKEW_MAX_MS, pausedUntil } from "../../src/domain/lease.ts";
import { Secret } from "../../src/domain/secret.ts";
import type { DuePage } from "../../src/domain/store.ts";
import type { StoreBench } from "../conformance/store.ts";
import { NOW, renewal } from "../support/model/facts.ts";

const LEASE_MS = 30_000;
const page = (limit: number, first: DuePage["first"] = "urgent") => ({ limit, leaseMs: LEASE_MS, first });

export function renewalTests(bench: () => StoreBench): void {
  describe("renewals", () => {
    test("come back as they were stored", async () => {
      const { renewals } = bench().store;
      const stored = renewal({
        reasonDetail: "expires in 3 d",
        errorCode: "acme.dns",
        errorMessage: "NXDOMAIN",
        retryAt: NOW + 5,
      });
      expect(await renewals.insert(stored)).toBe(true);
      expect(await renewals.get(stored.id)).toEqual(stored);
      expect(await renewals.lock(stored.id)).toEqual(stored);
      expect(await renewals.active("www")).toEqual(stored);
      expect(await renewals.get("other")).toBeNull();
      expect(await renewals.active("other")).toBeNull();
    });

    test("a certificate has at most one that is active", async () => {
      const { store, another } = bench();
      const other = await another();
      const inserted = await Promise.all([
        store.renewals.insert(renewal({ id: "a" })),
        other.renewals.insert(renewal({ id: "b" })),
      ]);
      expect(inserted.filter((done) => done)).toHaveLength(1);
      const winner = (await store.renewals.active("www"))?.id ?? "";
      expect(await store.renewals.insert(renewal({ id: winner, certificate: "api" }))).toBe(false);
      expect(await store.renewals.update(winner, 0, { state: "failed", finishedAt: NOW })).toBe(true);
      expect(await store.renewals.active("www")).toBeNull();
      expect(await store.renewals.insert(renewal({ id: "c" }))).toBe(true);
    });

    test("one renewal at a time orders for a set of names; one that ended or backs off does not block it", async () => {
      const { store, another } = bench();
      const other = await another();
      for (const id of ["a", "b"]) await store.renewals.insert(renewal({ id, certificate: id, state: "issuing" }));
      const taken = await Promise.all([
        store.renewals.occupy("scope", "a", NOW),
        other.renewals.occupy("scope", "b", NOW),
      ]);
      expect(taken.filter((holder) => holder === null)).toHaveLength(1);
      const [holder, waiting] = taken[0] === null ? ["a", "b"] : ["b", "a"];
      expect(await store.renewals.occupy("scope", holder, NOW)).toBeNull();
      expect(await store.renewals.occupy("scope", waiting, NOW)).toBe(holder);
      expect(await store.renewals.occupy("other", waiting, NOW)).toBeNull();
      await store.renewals.update(holder, 0, { retryAt: NOW + 1 });
      expect(await store.renewals.occupy("scope", waiting, NOW)).toBeNull();
      expect(await store.renewals.occupy("scope", holder, NOW)).toBe(waiting);
      await store.renewals.update(waiting, 0, { state: "deploying" });
      expect(await store.renewals.occupy("scope", holder, NOW)).toBeNull();
    });

    test("of many that claim at once one gets the lease, with a raised fence", async () => {
      const { store, another } = bench();
      const stores = [store, await another(), await another()];
      await store.renewals.insert(renewal({ id: "r", nextActionAt: NOW }));
      const claims = await Promise.all(
        stores.flatMap(({ renewals }) => [1, 2, 3].map(() => renewals.claim("r", NOW, LEASE_MS))),
      );
      const lease = { fence: 1, openClaims: 1, leaseUntil: NOW + LEASE_MS, nextActionAt: NOW + LEASE_MS };
      expect(claims.filter((claim) => claim !== null)).toEqual([renewal({ id: "r", ...lease })]);
    });

    test("a lease is taken over only when it has ended, and never on a renewal that has", async () => {
      const { renewals } = bench().store;
      await renewals.insert(renewal({ id: "r" }));
      await renewals.claim("r", NOW, LEASE_MS);
      expect(await renewals.claim("r", NOW + LEASE_MS - 1, LEASE_MS)).toBeNull();
      expect(await renewals.claim("r", NOW + LEASE_MS, LEASE_MS)).toMatchObject({ fence: 2, openClaims: 2 });
      await renewals.update("r", 2, { state: "succeeded", leaseUntil: null });
      expect(await renewals.claim("r", NOW + 9 * LEASE_MS, LEASE_MS)).toBeNull();
      expect(await renewals.claim("unknown", NOW, LEASE_MS)).toBeNull();
    });

    test("a renewal whose worker died three times in a row waits before it is claimed again", async () => {
      const { renewals } = bench().store;
      const ids = ["a", "b"];
      for (const id of ids) await renewals.insert(renewal({ id, certificate: id }));
      const claimed = async (at: number) =>
        (await Promise.all(ids.map((id) => renewals.claim(id, at, LEASE_MS)))).map((row) => row !== null);
      for (const death of [0, 1, 2]) expect(await claimed(NOW + death * LEASE_MS)).toEqual([true, true]);
      const ended = NOW + 3 * LEASE_MS;
      expect(await claimed(ended)).toEqual([false, false]);
      const free = await Promise.all(
        ids.map(async (id) => pausedUntil((await renewals.get(id)) ?? expect.unreachable(), id, ended, LEASE_MS)),
      );
      expect(Math.abs((free[0] ?? 0) - (free[1] ?? 0))).toBeGreaterThan(1_000);
      expect(await claimed(Math.min(...free))).toEqual(free.map((at) => at === Math.min(...free)));
      expect(await renewals.claim("a", ended + 90_000 + 2 * LEASE_MS, LEASE_MS)).not.toBeNull();
    });

    test("a lease that only a wrong clock can have taken holds nothing, and what it holds is due", async () => {
      const { renewals } = bench().store;
      for (const id of ["ahead", "tolerable"]) await renewals.insert(renewal({ id, certificate: id }));
      await renewals.claim("tolerable", NOW + CLOCK_SKEW_MAX_MS, LEASE_MS);
      await renewals.claim("ahead", NOW + CLOCK_SKEW_MAX_MS + 1, LEASE_MS);
      expect((await renewals.due(NOW, page(10))).map(({ id }) => id)).toEqual(["ahead"]);
      expect(await renewals.claim("tolerable", NOW, LEASE_MS)).toBeNull();
      expect(await renewals.claim("ahead", NOW, LEASE_MS)).toMatchObject({ fence: 2, leaseUntil: NOW + LEASE_MS });
      expect(await renewals.due(NOW, page(10))).toEqual([]);
    });

    test("what waits for long without a lease is not due", async () => {
      const { renewals } = bench().store;
      await renewals.insert(renewal({ id: "r", nextActionAt: NOW + 86_400_000 }));
      expect(await renewals.due(NOW, page(10))).toEqual([]);
    });

    test("a writer with an older fence is refused and nothing of it is written", async () => {
      const { renewals } = bench().store;
      await renewals.insert(renewal({ id: "r" }));
      await renewals.claim("r", NOW, LEASE_MS);
      await renewals.claim("r", NOW + LEASE_MS, LEASE_MS);
      const before = await renewals.get("r");
      expect(await renewals.update("r", 1, { state: "failed", errorCode: "acme.dns" })).toBe(false);
      expect(await renewals.saveOrderState("r", 1, { orderUrl: "https://ca.example/order/late" })).toBe(false);
      expect(await renewals.get("r")).toEqual(before);
      expect((await renewals.orderState("r")).orderUrl).toBeNull();
      expect(await renewals.update("r", 2, { state: "issuing" })).toBe(true);
      expect(await renewals.update("r", 2, {})).toBe(true);
      expect(await renewals.update("r", 1, {})).toBe(false);
      expect(await renewals.get("r")).toEqual({ ...before, state: "issuing" });
    });

    test("the order's state is kept piece by piece and erased by null", async () => {
      const { renewals } = bench().store;
      await renewals.insert(renewal({ id: "r" }));
      expect(await renewals.orderState("r")).toEqual({ privateKey: null, orderUrl: null, csr: null });
      expect(await renewals.saveOrderState("r", 0, { privateKey: new Secret("the key") })).toBe(true);
      expect(await renewals.saveOrderState("r", 0, { orderUrl: "https://ca.example/order/1", csr: "MIIB" })).toBe(true);
      const whole = await renewals.orderState("r");
      expect([whole.privateKey?.reveal(), whole.orderUrl, whole.csr]).toEqual([
        "the key",
        "https://ca.example/order/1",
        "MIIB",
      ]);
      expect(await renewals.saveOrderState("r", 0, { orderUrl: null, csr: null })).toBe(true);
      const abandoned = await renewals.orderState("r");
      expect([abandoned.privateKey?.reveal(), abandoned.orderUrl, abandoned.csr]).toEqual(["the key", null, null]);
      expect(await renewals.saveOrderState("r", 0, { privateKey: null })).toBe(true);
      expect((await renewals.orderState("r")).privateKey).toBeNull();
    });

    test("what a transaction has locked, claimed or inserted stays what the database has", async () => {
      const { store } = bench();
      await store.renewals.insert(renewal({ id: "locked", certificate: "a" }));
      await store.renewals.insert(renewal({ id: "claimed", certificate: "b" }));
      await store.transaction(async (tx) => {
        await tx.renewals.lock("locked");
        await tx.renewals.claim("claimed", NOW, LEASE_MS);
        await tx.renewals.insert(renewal({ id: "inserted", certificate: "c" }));
        for (const id of ["locked", "claimed", "inserted"]) {
          const fence = id === "claimed" ? 1 : 0;
          expect(await tx.renewals.update(id, fence + 1, { state: "failed" })).toBe(false);
          expect(await tx.renewals.update(id, fence, { state: "issuing", errorMessage: "why" })).toBe(true);
          // Jittered instants are fractions; the database keeps whole ones.
          expect(await tx.renewals.update(id, fence, { nextActionAt: NOW + 0.5 })).toBe(true);
          const held = await tx.renewals.lock(id);
          expect(held).toMatchObject({ state: "issuing", errorMessage: "why", nextActionAt: NOW + 1, fence });
          expect(held).toEqual(await tx.renewals.get(id));
        }
      });
      // Its seal fits: else a claim would cancel it.
      for (const id of ["locked", "claimed", "inserted"])
        expect(await store.renewals.claim(id, NOW + 2 * LEASE_MS, LEASE_MS)).toMatchObject({ id, state: "issuing" });
    });

    test("a transaction does not legitimate a row that somebody else wrote", async () => {
      const { store, backend } = bench();
      await store.renewals.insert(renewal({ id: "r" }));
      await backend.run("update renewals set reason = 'request'");
      await store.transaction(async (tx) => {
        await tx.renewals.lock("r");
        expect(await tx.renewals.update("r", 0, { state: "issuing" })).toBe(true);
      });
      expect(await store.renewals.claim("r", NOW, LEASE_MS)).toBeNull();
      expect(await store.renewals.get("r")).toMatchObject({ state: "cancelled", errorCode: "store.altered" });
    });

    test("an order's key is sealed for its own renewal", async () => {
      const { store, backend } = bench();
      for (const id of ["a", "b"]) {
        await store.renewals.insert(renewal({ id, certificate: id }));
        await store.renewals.saveOrderState(id, 0, { privateKey: new Secret(`planted-order-key-${id}`) });
      }
      expect(await backend.dump()).not.toContain("planted-order-key");
      await backend.run(
        "update renewals set sealed_key = (select sealed_key from renewals where id = 'a') where id = 'b'",
      );
      await expect(store.renewals.orderState("b")).rejects.toMatchObject({ code: "store.sealed" });
    });

    test("the due ones are active and come most urgent first", async () => {
      const { renewals } = bench().store;
      const facts = [
        { id: "calm", priority: 9, nextActionAt: NOW - 9 },
        { id: "urgent", priority: 1, nextActionAt: NOW },
        { id: "urgent-longer", priority: 1, nextActionAt: NOW - 1 },
        { id: "later", priority: 1, nextActionAt: NOW + 1 },
        { id: "ended", priority: 1, nextActionAt: NOW - 9, state: "failed" },
        { id: "unscheduled", priority: 1, nextActionAt: null },
      ] as const;
      for (const fact of facts) await renewals.insert(renewal({ certificate: fact.id, ...fact }));
      expect((await renewals.due(NOW, page(10))).map(({ id }) => id)).toEqual(["urgent-longer", "urgent", "calm"]);
      expect((await renewals.due(NOW, page(2))).map(({ id }) => id)).toEqual(["urgent-longer", "urgent"]);
      expect((await renewals.due(NOW, page(2, "overdue"))).map(({ id }) => id)).toEqual(["calm", "urgent-longer"]);
      await renewals.claim("urgent", NOW + 86_400_000, LEASE_MS);
      expect((await renewals.due(NOW, page(2, "overdue"))).map(({ id }) => id)).toEqual(["urgent", "calm"]);
    });

    test("a list is newest first and keeps to its filter and limit", async () => {
      const { renewals } = bench().store;
      for (const [index, certificate] of ["www", "api", "www", "api"].entries()) {
        await renewals.insert(
          renewal({
            id: `r${index}`,
            certificate,
            createdAt: NOW + index,
            state: index === 0 ? "failed" : "succeeded",
          }),
        );
      }
      const ids = async (filter: Parameters<typeof renewals.list>[0]): Promise<string[]> =>
        (await renewals.list(filter)).map(({ id }) => id);
      expect(await ids({ limit: 3 })).toEqual(["r3", "r2", "r1"]);
      expect(await ids({ certificate: "www", limit: 9 })).toEqual(["r2", "r0"]);
      expect(await ids({ states: ["failed", "held"], limit: 9 })).toEqual(["r0"]);
      expect(await ids({ states: [], limit: 9 })).toEqual([]);
      expect(await ids({ since: NOW + 2, limit: 9 })).toEqual(["r3", "r2"]);
    });
  });
}
