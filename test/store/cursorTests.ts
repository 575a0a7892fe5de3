import { describe, expect, test } from "vitest";
import { CLOCK_SKEW_MAX_MS } from "../../src/domain/lease.ts";
import type { StoreBench } from "../conformance/store.ts";
import { certificate, DAY_MS, NOW } from "../support/model/facts.ts";

const TERMS = { leaseMs: 1_000, retryMaxMs: 5_000 };
const FRESH = { failures: 0, nextAttemptAt: null, lastErrorMessage: null };

export function cursorTests(bench: () => StoreBench): void {
  describe("channel cursors", () => {
    const event = {
      at: NOW,
      type: "renewal.failed",
      certificate: "www",
      renewalId: null,
      target: null,
      detail: {},
    } as const;

    test("begin after the newest event", async () => {
      const { cursors, events } = bench().store;
      await events.append(event);
      const [newest] = await events.list({ limit: 1 });
      expect(await cursors.claim("ops", NOW, TERMS)).toEqual({
        channel: "ops",
        seq: newest?.seq,
        leaseUntil: NOW + 1_000,
        ...FRESH,
      });
    });

    test("are one's own until given back or the lease ends", async () => {
      const { cursors } = bench().store;
      const mine = await cursors.claim("ops", NOW, TERMS);
      expect(await cursors.claim("ops", NOW + 999, TERMS)).toBeNull();
      const theirs = await cursors.claim("ops", NOW + 1_000, TERMS);
      if (mine === null || theirs === null) throw new Error("neither got the channel");
      expect(await cursors.release(mine, { ...FRESH, seq: 7 })).toBe(false);
      expect(await cursors.release(theirs, { ...FRESH, seq: 8 })).toBe(true);
      expect(await cursors.list()).toEqual([{ channel: "ops", seq: 8, leaseUntil: null, ...FRESH }]);
    });

    test("wait out a back-off", async () => {
      const { cursors } = bench().store;
      const claimed = await cursors.claim("ops", NOW, TERMS);
      if (claimed === null) throw new Error("a new channel is free");
      await cursors.release(claimed, { seq: 0, failures: 1, nextAttemptAt: NOW + 5_000, lastErrorMessage: "500" });
      expect(await cursors.claim("ops", NOW + 4_999, TERMS)).toBeNull();
      expect(await cursors.claim("ops", NOW + 5_000, TERMS)).toMatchObject({ failures: 1, lastErrorMessage: "500" });
    });

    test("are free when lease or back-off are longer than any can be: a wrong clock wrote them", async () => {
      const { cursors } = bench().store;
      await cursors.claim("ops", NOW + CLOCK_SKEW_MAX_MS, TERMS);
      expect(await cursors.claim("ops", NOW, TERMS)).toBeNull();
      const claimed = await cursors.claim("ops", NOW - 1, TERMS);
      if (claimed === null) throw new Error("the lease was taken by a wrong clock");
      const failed = { seq: 0, failures: 1, lastErrorMessage: "500" };
      await cursors.release(claimed, { ...failed, nextAttemptAt: NOW + TERMS.retryMaxMs + CLOCK_SKEW_MAX_MS });
      expect(await cursors.claim("ops", NOW, TERMS)).toBeNull();
      expect(await cursors.claim("ops", NOW - 1, TERMS)).toMatchObject(failed);
    });

    test("of channels that are gone are forgotten", async () => {
      const { cursors } = bench().store;
      for (const channel of ["a", "b", "c"]) await cursors.claim(channel, NOW, TERMS);
      await cursors.retain(["b"]);
      expect((await cursors.list()).map(({ channel }) => channel)).toEqual(["b"]);
      await cursors.retain([]);
      expect(await cursors.list()).toEqual([]);
    });

    test("a cursor beyond the history goes back into it: its channel would be silent until numbers reach it", async () => {
      const { store, backend } = bench();
      await store.events.append(event);
      const claimed = await store.cursors.claim("ops", NOW, TERMS);
      if (claimed === null) throw new Error("the channel is new");
      await store.cursors.release(claimed, { ...FRESH, seq: claimed.seq });
      await backend.run("update channel_cursors set seq = 9999");
      expect((await store.cursors.claim("ops", NOW, TERMS))?.seq).toBe(0);
    });

    test("a cursor that somebody moved on passes over nothing", async () => {
      const { store, backend } = bench();
      const claimed = await store.cursors.claim("ops", NOW, TERMS);
      if (claimed === null) throw new Error("the channel is new");
      await store.cursors.release(claimed, { ...FRESH, seq: 0 });
      await store.events.append(event);
      await backend.run("update channel_cursors set seq = 1");
      expect((await store.cursors.claim("ops", NOW, TERMS))?.seq).toBe(0);
      expect((await store.cursors.list()).map((cursor) => Object.keys(cursor))).not.toContainEqual(
        expect.arrayContaining(["seal"]),
      );
    });
  });

  describe("rehearsals", () => {
    test("are claimed like observations, apart from them, and start again when the configuration changed", async () => {
      const { certificates } = bench().store;
      await certificates.sync([certificate({ name: "a" }), certificate({ name: "b" })], NOW);
      const claims = await Promise.all(
        [1, 2, 3].map(() => certificates.claimRehearsals({ now: NOW, nextAt: NOW + 10, limit: 1 })),
      );
      expect(new Set(claims.flat()).size).toBe(claims.flat().length);
      await certificates.claimRehearsals({ now: NOW, nextAt: NOW + 10, limit: 9 });
      expect(await certificates.claimRehearsals({ now: NOW + 9, nextAt: NOW + 20, limit: 9 })).toEqual([]);
      expect(await certificates.claimObservations({ now: NOW, nextAt: NOW + 10, limit: 9 })).toHaveLength(2);
      await certificates.update("a", { rehearsalProblem: "no" });
      await certificates.sync([certificate({ name: "a", digest: "changed" }), certificate({ name: "b" })], NOW);
      expect(await certificates.get("a")).toMatchObject({ rehearsalProblem: null, nextRehearsalAt: null });
      expect(await certificates.claimRehearsals({ now: NOW + 9, nextAt: NOW + 20, limit: 9 })).toEqual(["a"]);
    });
  });

  describe("looks from vantages", () => {
    test("have a turn of their own in each, and a look that is brought forward is so everywhere", async () => {
      const { certificates, vantages } = bench().store;
      await certificates.sync([certificate({ name: "a" }), certificate({ name: "b" })], NOW);
      const claim = (vantage: string, now: number) => vantages.claimLooks(vantage, { now, nextAt: now + 10, limit: 9 });
      const both = await Promise.all([claim("office", NOW), claim("office", NOW)]);
      expect(both.flat().toSorted()).toEqual(["a", "b"]);
      expect(await claim("internet", NOW)).toEqual(["a", "b"]);
      expect(await claim("office", NOW + 9)).toEqual([]);
      await certificates.update("a", { nextObservationAt: null });
      expect([await claim("office", NOW + 9), await claim("internet", NOW + 9)]).toEqual([["a"], ["a"]]);
      await vantages.bringForward(NOW + 8);
      expect(await claim("office", NOW + 9)).toEqual(["a", "b"]);
    });
  });

  describe("what was never done", () => {
    test("comes before what is overdue, on both databases", async () => {
      const { certificates } = bench().store;
      await certificates.sync([certificate({ name: "a" }), certificate({ name: "b" })], NOW);
      await certificates.update("a", { nextRehearsalAt: NOW - 10, nextObservationAt: NOW - 10 });
      expect(await certificates.claimRehearsals({ now: NOW, nextAt: NOW + 10, limit: 1 })).toEqual(["b"]);
      expect(await certificates.claimObservations({ now: NOW, nextAt: NOW + 10, limit: 1 })).toEqual(["b"]);
    });
  });

  describe("revocation lists", () => {
    test("are one caller's until their time has come again, and forgotten when nobody asks any more", async () => {
      const { crls } = bench().store;
      const claims = await Promise.all([1, 2, 3].map(() => crls.claim("http://a", { now: NOW, nextAt: NOW + 10 })));
      expect(claims.filter((each) => each)).toHaveLength(1);
      expect(await crls.claim("http://b", { now: NOW, nextAt: NOW + 10 })).toBe(true);
      expect(await crls.claim("http://a", { now: NOW + 9, nextAt: NOW + 19 })).toBe(false);
      expect(await crls.claim("http://a", { now: NOW + 10, nextAt: NOW + 20 })).toBe(true);
      await crls.postpone("http://a", NOW + 12);
      expect(await crls.claim("http://a", { now: NOW + 12, nextAt: NOW + 30 })).toBe(true);
      await crls.forget(NOW + 11);
      expect(await crls.claim("http://b", { now: NOW, nextAt: NOW + 10 })).toBe(true);
      expect(await crls.claim("http://a", { now: NOW + 29, nextAt: NOW + 40 })).toBe(false);
    });

    test("that were put off further than any claim does are due at once", async () => {
      const { crls } = bench().store;
      await crls.claim("http://a", { now: NOW, nextAt: NOW + 10 });
      await crls.postpone("http://a", NOW + 10 + CLOCK_SKEW_MAX_MS);
      expect(await crls.claim("http://a", { now: NOW, nextAt: NOW + 10 })).toBe(false);
      await crls.postpone("http://a", NOW + 36_500 * DAY_MS);
      expect(await crls.claim("http://a", { now: NOW, nextAt: NOW + 10 })).toBe(true);
    });
  });

  describe("endpoint observations", () => {
    test("are claimed once each, most overdue first, and again when their time has come", async () => {
      const { certificates } = bench().store;
      await certificates.sync([certificate({ name: "a" }), certificate({ name: "b" })], NOW);
      expect((await certificates.claimObservations({ now: NOW, nextAt: NOW + 10, limit: 10 })).toSorted()).toEqual([
        "a",
        "b",
      ]);
      expect(await certificates.claimObservations({ now: NOW + 9, nextAt: NOW + 20, limit: 10 })).toEqual([]);
      const claims = await Promise.all(
        [1, 2, 3].map(() => certificates.claimObservations({ now: NOW + 10, nextAt: NOW + 30, limit: 10 })),
      );
      expect(claims.flat().toSorted()).toEqual(["a", "b"]);
    });
  });
}
