import { describe, expect, test } from "vitest";
import { Secret } from "../../src/domain/secret.ts";
import { tlsAlpnPlace } from "../../src/domain/tlsAlpn.ts";
import { thumbprint } from "../../src/x509/jwk.ts";
import { generateKey } from "../../src/x509/key.ts";
import type { StoreBench } from "../conformance/store.ts";
import { createAccount } from "../support/model/accounts.ts";
import { certificate, NOW, record, version } from "../support/model/facts.ts";

const KEY = "-----BEGIN PRIVATE KEY-----\nplanted-certificate-key\n-----END PRIVATE KEY-----\n";

export function certificateAndVersionTests(bench: () => StoreBench): void {
  describe("certificates", () => {
    const www = certificate({ name: "www", digest: "1" });
    const api = certificate({ name: "api", digest: "1" });

    test("new ones are due at once, and syncing the same configuration again changes nothing", async () => {
      const { certificates } = bench().store;
      expect(await certificates.sync([www, api], NOW)).toEqual({ added: ["api", "www"], changed: [], removed: [] });
      expect(await certificates.list()).toEqual([
        record({ name: "api", digest: "1" }),
        record({ name: "www", digest: "1" }),
      ]);
      expect(await certificates.sync([www, api], NOW + 1)).toEqual({ added: [], changed: [], removed: [] });
      expect(await certificates.get("www")).toEqual(record({ name: "www", digest: "1" }));
      expect(await certificates.get("other")).toBeNull();
    });

    test("a changed one loses its back-off but keeps its pause", async () => {
      const { certificates } = bench().store;
      await certificates.sync([www], NOW);
      const failure = {
        failures: 3,
        nextAttemptAt: NOW + 9,
        lastErrorCode: "acme.dns",
        lastErrorMessage: "no such name",
      };
      const pause = { pausedAt: NOW, pausedUntil: NOW + 5, pausedReason: "freeze" };
      await certificates.update("www", { ...failure, ...pause, nextCheckAt: null });
      expect(await certificates.sync([{ ...www, digest: "2" }], NOW + 1)).toEqual({
        added: [],
        changed: ["www"],
        removed: [],
      });
      expect(await certificates.get("www")).toEqual(
        record({ name: "www", digest: "2", nextCheckAt: NOW + 1, ...pause }),
      );
    });

    test("a change, or coming back, ends a quarantine but no person's pause", async () => {
      const { certificates } = bench().store;
      const quarantine = {
        pausedAt: NOW,
        pausedReason: "quarantined: 5 workers in a row died while deploying",
        lastErrorCode: "internal.crashLoop",
      };
      await certificates.sync([www, api], NOW);
      await certificates.update("www", quarantine);
      await certificates.update("api", { ...quarantine, pausedReason: "until Monday" });
      await certificates.sync([www, api], NOW + 1);
      expect(await certificates.get("www")).toMatchObject(quarantine);
      await certificates.sync(
        [
          { ...www, digest: "2" },
          { ...api, digest: "2" },
        ],
        NOW + 1,
      );
      expect(await certificates.get("www")).toEqual(record({ name: "www", digest: "2", nextCheckAt: NOW + 1 }));
      expect(await certificates.get("api")).toMatchObject({
        pausedAt: NOW,
        pausedReason: "until Monday",
        lastErrorCode: null,
      });
      await certificates.update("www", quarantine);
      await certificates.sync([api], NOW + 2);
      expect(await certificates.get("www")).toMatchObject(quarantine);
      await certificates.sync([www, api], NOW + 3);
      expect(await certificates.get("www")).toEqual(record({ name: "www", digest: "1", nextCheckAt: NOW + 3 }));
    });

    test("a vanished one is marked and never due; it comes back as a new one", async () => {
      const { certificates } = bench().store;
      await certificates.sync([www, api], NOW);
      await certificates.update("www", { failures: 2 });
      expect(await certificates.sync([api], NOW + 1)).toEqual({ added: [], changed: [], removed: ["www"] });
      expect(await certificates.get("www")).toEqual(
        record({ name: "www", digest: "1", failures: 2, nextCheckAt: null, removedAt: NOW + 1 }),
      );
      expect(await certificates.sync([api], NOW + 2)).toEqual({ added: [], changed: [], removed: [] });
      expect((await certificates.due(NOW + 9, 9)).map(({ name }) => name)).toEqual(["api"]);
      expect(await certificates.sync([www, api], NOW + 3)).toEqual({ added: ["www"], changed: [], removed: [] });
      expect(await certificates.get("www")).toEqual(record({ name: "www", digest: "1", nextCheckAt: NOW + 3 }));
    });

    test("what would change can be asked for, and done for some names only", async () => {
      const { certificates } = bench().store;
      const [mail, dns] = [certificate({ name: "mail", digest: "1" }), certificate({ name: "dns", digest: "1" })];
      await certificates.sync([www, api, mail], NOW);
      const now = [{ ...www, digest: "2" }, api, dns];
      const difference = { added: ["dns"], changed: ["www"], removed: ["mail"] };
      expect(await certificates.changes(now)).toEqual(difference);
      expect(await certificates.sync(now.slice(0, 1), NOW + 1, ["www"])).toEqual({
        added: [],
        changed: ["www"],
        removed: [],
      });
      expect(await certificates.changes(now)).toEqual({ ...difference, changed: [] });
      const others = await certificates.sync([dns], NOW + 2, ["dns", "mail", "never"]);
      expect(others).toEqual({ ...difference, changed: [] });
      expect(await certificates.changes(now)).toEqual({ added: [], changed: [], removed: [] });
      expect((await certificates.list()).map(({ name, removedAt }) => [name, removedAt])).toEqual([
        ["api", null],
        ["dns", null],
        ["mail", NOW + 2],
        ["www", null],
      ]);
      expect(await certificates.changes([www, api, mail])).toEqual({
        added: ["mail"],
        changed: ["www"],
        removed: ["dns"],
      });
    });

    test("ten thousand at once are no problem", async () => {
      const { certificates } = bench().store;
      const many = Array.from({ length: 10_000 }, (_, index) => certificate({ name: `c${index}` }));
      expect((await certificates.sync(many, NOW)).added).toHaveLength(10_000);
      expect((await certificates.sync(many.slice(1), NOW)).removed).toEqual(["c0"]);
      expect(await certificates.due(NOW, 20_000)).toHaveLength(9_999);
    });

    test("of two processes that load the same change, one reports it", async () => {
      const { store, another } = bench();
      const other = await another();
      const many = Array.from({ length: 30 }, (_, index) => certificate({ name: `c${index}` }));
      const reports = await Promise.all([store.certificates.sync(many, NOW), other.certificates.sync(many, NOW)]);
      expect(reports.flatMap(({ added }) => added).sort()).toEqual(many.map(({ name }) => name).sort());
    });

    test("the due ones come most overdue first, as many as asked for", async () => {
      const { certificates } = bench().store;
      await certificates.sync(
        ["a", "b", "c", "d"].map((name) => certificate({ name })),
        NOW,
      );
      await certificates.update("a", { nextCheckAt: NOW - 1 });
      await certificates.update("b", { nextCheckAt: NOW - 2 });
      await certificates.update("c", { nextCheckAt: NOW + 1 });
      await certificates.update("d", { nextCheckAt: null });
      expect((await certificates.due(NOW, 10)).map(({ name }) => name)).toEqual(["b", "a"]);
      expect((await certificates.due(NOW, 1)).map(({ name }) => name)).toEqual(["b"]);
    });

    test("the next check is moved only by a process that saw the current instant", async () => {
      const { certificates } = bench().store;
      await certificates.sync([www], NOW);
      const seen = record({ name: "www", digest: "1" });
      const nextCheckAt = async (): Promise<number | null | undefined> => (await certificates.get("www"))?.nextCheckAt;
      expect(await certificates.moveCheck(seen, NOW + 5)).toBe(true);
      expect(await certificates.moveCheck(seen, NOW + 9)).toBe(false);
      expect(await nextCheckAt()).toBe(NOW + 5);
      await certificates.sync([{ ...www, digest: "2" }], NOW + 5);
      expect(await certificates.moveCheck({ ...seen, nextCheckAt: NOW + 5 }, NOW + 9)).toBe(false);
      expect(await certificates.moveCheck({ ...seen, digest: "2", nextCheckAt: NOW + 5 }, null)).toBe(true);
      expect(await certificates.moveCheck({ ...seen, digest: "2", nextCheckAt: null }, NOW)).toBe(true);
      expect(await nextCheckAt()).toBe(NOW);
    });

    test("an instant that is a fraction is kept as the next whole millisecond", async () => {
      const { certificates } = bench().store;
      await certificates.sync([www], NOW);
      await certificates.update("www", { nextAttemptAt: NOW + 0.25 });
      await certificates.update("www", {});
      expect((await certificates.get("www"))?.nextAttemptAt).toBe(NOW + 1);
    });
  });

  describe("versions", () => {
    test("come back as they were stored, latest and list in order of generation", async () => {
      const { versions } = bench().store;
      const first = version({ generation: 1, chainPem: ["one", "two"] });
      const second = version({ generation: 2, verifiedAt: null });
      const other = version({ certificate: "api" });
      for (const stored of [second, first, other]) await versions.insert(stored, new Secret(KEY));
      expect(await versions.get("www", 1)).toEqual(first);
      expect(await versions.get("www", 3)).toBeNull();
      expect(await versions.latest("www")).toEqual(second);
      expect(await versions.latest("none")).toBeNull();
      expect(await versions.list("www")).toEqual([first, second]);
      expect(await versions.listLatest()).toEqual([other, second]);
    });

    test("a second version of the same generation is rejected and the first stays", async () => {
      const { versions } = bench().store;
      await versions.insert(version(), new Secret(KEY));
      await expect(versions.insert(version({ leafPem: "another" }), new Secret("another"))).rejects.toMatchObject({
        code: "internal.bug",
      });
      expect((await versions.get("www", 1))?.leafPem).toBe("leaf");
      expect((await versions.privateKey("www", 1)).reveal()).toBe(KEY);
    });

    test("the first proof by handshake stays", async () => {
      const { versions } = bench().store;
      await versions.insert(version({ verifiedAt: null }), new Secret(KEY));
      await versions.markVerified("www", 1, NOW);
      await versions.markVerified("www", 1, NOW + 1);
      expect((await versions.get("www", 1))?.verifiedAt).toBe(NOW);
    });

    test("the key of a version that is not there is an error, not an empty key", async () => {
      await expect(bench().store.versions.privateKey("www", 1)).rejects.toThrow("no generation 1 of certificate www");
    });

    test("a sealed key moved to another row does not open", async () => {
      const { store, backend } = bench();
      await store.versions.insert(version({ generation: 1 }), new Secret(KEY));
      await store.versions.insert(version({ generation: 2 }), new Secret("newer"));
      await backend.run(
        "update versions set sealed_key = (select sealed_key from versions where generation = 1) where generation = 2",
      );
      await expect(store.versions.privateKey("www", 2)).rejects.toMatchObject({
        code: "store.sealed",
        message: expect.stringContaining("version:www:2:key"),
      });
      expect((await store.versions.privateKey("www", 1)).reveal()).toBe(KEY);
    });

    test("a row edited by hand is refused by name", async () => {
      const { store, backend } = bench();
      await store.versions.insert(version(), new Secret(KEY));
      await backend.run(`update versions set leaf = '{"serial":7}'`);
      await expect(store.versions.latest("www")).rejects.toMatchObject({
        code: "store.altered",
        message: "version 1 of www in the database is not as renewd wrote it",
      });
    });
  });

  describe("accounts and challenges", () => {
    test("an account is created once when several ask, and keeps its URL", async () => {
      const { store, another } = bench();
      const other = await another();
      const [one, two] = await Promise.all([
        store.accounts.create("ca", "https://ca.example/dir", new Secret("one")),
        other.accounts.create("ca", "https://ca.example/dir", new Secret("two")),
      ]);
      expect(one.privateKey.reveal()).toBe(two.privateKey.reveal());
      expect(one.url).toBeNull();
      await store.accounts.setUrl("ca", "https://ca.example/dir", "https://ca.example/acct/1");
      const found = await other.accounts.get("ca", "https://ca.example/dir");
      expect([found?.url, found?.privateKey.reveal()]).toEqual(["https://ca.example/acct/1", one.privateKey.reveal()]);
      expect(await store.accounts.get("ca", "https://other.example/dir")).toBeNull();

      // A rollover: both keys are durable until the CA has spoken.
      const at = ["ca", "https://ca.example/dir"] as const;
      await store.accounts.promotePendingKey(...at);
      expect((await other.accounts.get(...at))?.privateKey.reveal()).toBe(found?.privateKey.reveal());
      await store.accounts.setPendingKey(...at, new Secret("next"));
      await store.accounts.setContactDigest(...at, "digest");
      const rolling = await other.accounts.get(...at);
      expect([rolling?.privateKey.reveal(), rolling?.pendingKey?.reveal(), rolling?.contactDigest]).toEqual([
        found?.privateKey.reveal(),
        "next",
        "digest",
      ]);
      await store.accounts.promotePendingKey(...at);
      const rolled = await other.accounts.get(...at);
      expect([rolled?.privateKey.reveal(), rolled?.pendingKey, rolled?.url]).toEqual([
        "next",
        null,
        "https://ca.example/acct/1",
      ]);
      await store.accounts.remove(...at);
      expect(await other.accounts.get(...at)).toBeNull();
    });

    test("an answer to a challenge is served until it is removed or has expired", async () => {
      const { store, another } = bench();
      const responder = (await another()).challenges;
      const { thumbprint } = await createAccount(store);
      const later = Date.now() + 60_000;
      await store.challenges.put("token", "old", later);
      await store.challenges.put("token", `token.${thumbprint}`, later);
      expect(await responder.get("token")).toBe(`token.${thumbprint}`);
      expect(await responder.get("other")).toBeNull();
      await responder.remove("token", "old");
      expect(await responder.get("token"), "another answer is there").toBe(`token.${thumbprint}`);
      await responder.remove("token", `token.${thumbprint}`);
      expect(await store.challenges.get("token")).toBeNull();
      await store.challenges.put("late", `late.${thumbprint}`, Date.now() - 1);
      expect(await store.challenges.get("late")).toBeNull();
    });

    test("an answer is served only for a key of our accounts, also while and after a key is rolled over", async () => {
      const { store, another } = bench();
      const responder = (await another()).challenges;
      const at = ["ca", "https://ca.example/dir"] as const;
      const [before, after] = [await createAccount(store), await generateKey("ecdsa-p256")];
      const [old, next] = [`old.${before.thumbprint}`, `next.${thumbprint(after)}`];
      const foreign = thumbprint(await generateKey("ecdsa-p256"));
      const answers = { old, next, foreign: `foreign.${foreign}`, other: `elsewhere.${before.thumbprint}` };
      for (const [token, answer] of Object.entries(answers))
        await store.challenges.put(token, answer, Date.now() + 60_000);
      const served = async () => Promise.all(Object.keys(answers).map((token) => responder.get(token)));
      expect(await served()).toEqual([old, null, null, null]);
      await store.accounts.setPendingKey(...at, after);
      expect(await served()).toEqual([old, next, null, null]);
      await store.accounts.promotePendingKey(...at);
      expect(await served()).toEqual([null, next, null, null]);
      await store.accounts.remove(...at);
      expect(await served()).toEqual([null, null, null, null]);
    });

    test("a place for one answer is claimed by one of several workers, and free again once that is gone", async () => {
      const { store, another, backend } = bench();
      const other = (await another()).challenges;
      const { thumbprint } = await createAccount(store);
      const place = tlsAlpnPlace({ type: "dns", value: "www.example.org" });
      const later = Date.now() + 60_000;
      const answers = ["one", "two"].map((token) => `${token}.${thumbprint}`);
      const claimed = await Promise.all(
        answers.map((answer, i) => (i === 0 ? store.challenges : other).claim(place, answer, later)),
      );
      expect(claimed.toSorted()).toEqual([false, true]);
      const [winner = "", loser = ""] = claimed[0] ? answers : answers.toReversed();
      expect(await other.get(place)).toBe(winner);
      expect(await other.claim(place, winner, later)).toBe(true);
      expect(await store.challenges.claim(place, loser, later)).toBe(false);
      await store.challenges.remove(place, winner);
      expect(await store.challenges.claim(place, winner, Date.now() - 1)).toBe(true);
      expect(await other.claim(place, loser, later), "after it expired").toBe(true);
      await backend.run("update challenges set expires_at = 9999999999998");
      expect(await other.claim(place, winner, later), "of a row that renewd did not write").toBe(true);
      expect(await other.get(place)).toBe(winner);
    });

    test("answers a dead worker left behind are cleared by the next one", async () => {
      const { store, backend } = bench();
      const { thumbprint } = await createAccount(store);
      await store.challenges.put("left-behind", `left-behind.${thumbprint}`, Date.now() - 1);
      await store.challenges.put("next", `next.${thumbprint}`, Date.now() + 60_000);
      await store.challenges.remove("done", `done.${thumbprint}`);
      // The token is the primary key: it can be taken again only because its row is gone.
      await backend.run(
        "insert into challenges (token, key_authorization, expires_at) values ('left-behind', 'again', 9999999999999)",
      );
      expect(await store.challenges.get("left-behind"), "without a seal").toBeNull();
      expect(await store.challenges.get("next")).toBe(`next.${thumbprint}`);
    });

    test("no private key is found anywhere in the database", async () => {
      const { store, backend } = bench();
      await store.versions.insert(version(), new Secret(KEY));
      await store.accounts.create("ca", "https://ca.example/dir", new Secret("planted-account-key"));
      const dump = await backend.dump();
      expect(dump).toContain("https://ca.example/dir");
      for (const text of ["planted-certificate-key", "planted-account-key"]) {
        expect(dump).not.toContain(text);
        expect(dump).not.toContain(Buffer.from(text).toString("base64").slice(0, 16));
      }
    });
  });
}
