import { describe, expect, test } from "vitest";
import { budgetOf } from "../../src/config/schema/limits.ts";
import type { Store } from "../../src/domain/store.ts";
import {
  commitLimits,
  countFailedValidation,
  refundLimits,
  reserveLimits,
} from "../../src/renewal/steps/rateLimits.ts";
import type { StoreBench } from "../conformance/store.ts";
import { certificate, DAY_MS, NOW, renewal, version } from "../support/model/facts.ts";

const SET = { max: 2, per: DAY_MS };
const CA = budgetOf("ca", "https://ca.example/dir", {
  certificatesPerExactSet: SET,
  failuresPerIdentifier: { max: 2, per: 3_600_000 },
});

export function ledgerTests(bench: () => StoreBench): void {
  describe("the ledger", () => {
    const take = (store: Store, renewalId: string, at = NOW) =>
      store.transaction((tx) =>
        reserveLimits(tx, { renewalId, certificate: certificate(), budget: CA, version: version() }, at),
      );
    const refusal = {
      code: "acme.budget",
      retryAt: NOW + DAY_MS / 2,
      message: expect.stringContaining("2 per exact set in 1 d"),
    };

    test("allows as many as the limit says and names the instant of the next", async () => {
      const { store } = bench();
      await take(store, "r1");
      await take(store, "r2");
      await expect(take(store, "r3")).rejects.toMatchObject(refusal);
      await take(store, "r3", NOW + DAY_MS / 2);
    });

    test("of two processes that want the last one, one gets it", async () => {
      const { store, another } = bench();
      const other = await another();
      await take(store, "r1");
      const results = await Promise.allSettled([take(store, "r2"), take(other, "r3")]);
      expect(results.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    });

    test("a renewal that crashed before its order pays once", async () => {
      const { store } = bench();
      await take(store, "r1");
      await take(store, "r1");
      await take(store, "r1");
      await take(store, "r2");
      await expect(take(store, "r3")).rejects.toMatchObject(refusal);
    });

    test("what brings no certificate is given back once; what may have been issued is not", async () => {
      const { store } = bench();
      await store.renewals.insert(renewal({ id: "r1" }));
      await store.renewals.insert(renewal({ id: "r2", certificate: "api" }));
      for (const id of ["r1", "r1", "r2"]) await take(store, id);
      await store.transaction((tx) => refundLimits(tx, "r1"));
      await store.transaction((tx) => refundLimits(tx, "r1"));
      await take(store, "r3");
      await store.renewals.saveOrderState("r2", 0, { csr: "sent" });
      await store.transaction((tx) => refundLimits(tx, "r2"));
      await expect(take(store, "r4")).rejects.toMatchObject(refusal);
    });

    test("what is rolled back was not taken", async () => {
      const { store } = bench();
      const failing = store.transaction(async (tx) => {
        await reserveLimits(tx, { renewalId: "r1", certificate: certificate(), budget: CA, version: null }, NOW);
        throw new Error("rolled back");
      });
      await expect(failing).rejects.toThrow("rolled back");
      expect(await store.ledger.list(NOW)).toEqual([]);
      expect(await store.ledger.reserved("r1")).toEqual([]);
    });

    test("failed validations hold the next order, and a certificate ends their run", async () => {
      const { store } = bench();
      const strict = budgetOf("ca", CA.directory, { consecutiveFailuresPerIdentifier: { max: 1, per: DAY_MS } });
      await store.transaction((tx) => countFailedValidation(tx, strict, "www.example.org", NOW));
      const order = { renewalId: "r1", certificate: certificate(), budget: strict, version: null };
      const attempt = () => store.transaction((tx) => reserveLimits(tx, order, NOW));
      await expect(attempt()).rejects.toMatchObject({
        code: "acme.budget",
        message: expect.stringContaining("(www.example.org)"),
      });
      await store.transaction((tx) => commitLimits(tx, "r1", strict, certificate(), NOW));
      await attempt();
    });

    test("what is full again is forgotten", async () => {
      const { store } = bench();
      await take(store, "r1");
      expect(await store.ledger.prune(NOW)).toBe(0);
      expect(await store.ledger.prune(NOW + DAY_MS)).toBe(1);
      expect(await store.ledger.list(0)).toEqual([]);
    });
  });
}
