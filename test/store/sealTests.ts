import { beforeAll, describe, expect, test } from "vitest";
import { Secret } from "../../src/domain/secret.ts";
import { openDatabase } from "../../src/store/database.ts";
import { rowSeals } from "../../src/store/migrations/0014-sealed-rows.ts";
import { sealedPriorities } from "../../src/store/migrations/0030-sealed-priorities.ts";
import { SEALED, sealOfRow } from "../../src/store/rowSeal.ts";
import { readLeaf } from "../../src/x509/leaf.ts";
import type { StoreBench } from "../conformance/store.ts";
import { createRoot } from "../support/ca/pki.ts";
import { createAccount } from "../support/model/accounts.ts";
import { certificate, NOW, renewal, version } from "../support/model/facts.ts";

const LATER = 9_999_999_999_999;
const DIRECTORY = "https://ca.example/dir";
const KEY = new Secret("the key");
const LEASE_MS = 9_000;
const CERTIFICATE = certificate();

/** What a writer of the database without the master key cannot make renewd do. */
export function sealTests(bench: () => StoreBench): void {
  describe("rows that somebody else wrote", () => {
    let leafPem: string;
    let otherPem: string;
    beforeAll(async () => {
      const root = await createRoot();
      leafPem = (await root.issue({ names: ["www.example.org"] })).certPem;
      otherPem = (await root.issue({ names: ["www.example.org"] })).certPem;
    });

    test("an answer to a challenge is not served", async () => {
      const { store, backend } = bench();
      const { thumbprint } = await createAccount(store);
      const put = (token: string) => store.challenges.put(token, `${token}.${thumbprint}`, Date.now() + 60_000);
      await put("first");
      await put("second");
      expect(await store.challenges.get("second")).toBe(`second.${thumbprint}`);
      await backend.run(
        `insert into challenges (token, key_authorization, expires_at, seal)
         select 'planted', 'planted.${thumbprint}', ${LATER}, seal from challenges where token = 'first'`,
      );
      expect(await store.challenges.get("planted")).toBeNull();
      await backend.run(`update challenges set key_authorization = 'first.other' where token = 'first'`);
      expect(await store.challenges.get("first")).toBeNull();
      await backend.run(`update challenges set expires_at = ${LATER} where token = 'second'`);
      expect(await store.challenges.get("second")).toBeNull();
      await put("first");
      expect(await store.challenges.get("first")).toBe(`first.${thumbprint}`);
    });

    test("an account key that nobody sealed for its row neither vouches for an answer nor stops ours", async () => {
      const { store, backend } = bench();
      const { thumbprint } = await createAccount(store);
      await backend.run(
        `insert into accounts (issuer, directory, url, sealed_key)
         select 'planted', directory, url, sealed_key from accounts`,
      );
      await store.challenges.put("ours", `ours.${thumbprint}`, Date.now() + 60_000);
      expect(await store.challenges.get("ours")).toBe(`ours.${thumbprint}`);
      await store.accounts.remove("ca", DIRECTORY);
      expect(await store.challenges.get("ours"), "only the copy is left").toBeNull();
    });

    test.each([
      ["a request that was replaced", "update renewals set csr = 'MIIB' where id = 'r'"],
      [
        "the request of another renewal",
        "update renewals set csr = (select csr from renewals where id = 's') where id = 'r'",
      ],
    ])("%s is not finalized", async (_, sql) => {
      const { store, backend } = bench();
      for (const id of ["r", "s"]) {
        await store.renewals.insert(renewal({ id, certificate: id }));
        await store.renewals.saveOrderState(id, 0, { privateKey: KEY, orderUrl: `https://ca/${id}`, csr: id });
      }
      await backend.run(sql);
      const state = await store.renewals.orderState("r");
      expect([state.privateKey?.reveal(), state.orderUrl, state.csr]).toEqual(["the key", "https://ca/r", null]);
    });

    test("an order that was replaced is given up with its request", async () => {
      const { store, backend } = bench();
      await store.renewals.insert(renewal({ id: "r" }));
      await store.renewals.saveOrderState("r", 0, { privateKey: KEY, orderUrl: "https://ca/1", csr: "request" });
      await backend.run("update renewals set order_url = 'https://ca/2'");
      const state = await store.renewals.orderState("r");
      expect([state.privateKey?.reveal(), state.orderUrl, state.csr]).toEqual(["the key", null, null]);
    });

    test.each([
      ["brings another generation", "update renewals set generation = 1"],
      ["is of another certificate", "update renewals set certificate = 'api'"],
      ["has another reason", "update renewals set reason = 'rollback'"],
      ["orders elsewhere", "update renewals set issuer = 'other'"],
      ["is made to wait behind all others", "update renewals set priority = 2000000"],
      ["was moved to another step", "update renewals set state = 'deploying'"],
    ])("a renewal that %s is cancelled when it is claimed, and the planner decides again", async (_, sql) => {
      const { store, backend } = bench();
      await store.certificates.sync(
        [
          { ...CERTIFICATE, name: "www" },
          { ...CERTIFICATE, name: "api" },
        ],
        NOW - 1,
      );
      await store.renewals.insert(renewal({ id: "r", certificate: "www", generation: 7 }));
      await backend.run("update certificates set next_check_at = null");
      await backend.run(sql);
      expect(await store.renewals.claim("r", NOW, LEASE_MS)).toBeNull();
      expect(await store.renewals.get("r")).toMatchObject({
        state: "cancelled",
        finishedAt: NOW,
        errorCode: "store.altered",
      });
      expect((await store.certificates.due(NOW, 9)).map(({ nextCheckAt }) => nextCheckAt)).toEqual([NOW]);
    });

    test("a change by renewd does not legitimate what was altered before", async () => {
      const { store, backend } = bench();
      await store.renewals.insert(renewal({ id: "r", generation: 7 }));
      await backend.run("update renewals set generation = 1");
      expect(await store.renewals.update("r", 0, { state: "issuing" })).toBe(true);
      expect(await store.renewals.claim("r", NOW, LEASE_MS)).toBeNull();
    });

    test("a renewal that renewd changed is claimed", async () => {
      const { store } = bench();
      await store.renewals.insert(renewal({ id: "r" }));
      await store.renewals.update("r", 0, { state: "issuing", errorCode: "acme.server", errorMessage: "\ud800 at\0" });
      expect(await store.renewals.claim("r", NOW, LEASE_MS)).toMatchObject({ id: "r", state: "issuing" });
    });

    test("an account's URL is asked for again", async () => {
      const { store, backend } = bench();
      await store.accounts.create("ca", DIRECTORY, KEY);
      await store.accounts.setUrl("ca", DIRECTORY, "https://ca.example/acct/1");
      await backend.run("update accounts set url = 'https://ca.example/acct/2'");
      expect((await store.accounts.get("ca", DIRECTORY))?.url).toBeNull();
      await store.accounts.setUrl("ca", DIRECTORY, "https://ca.example/acct/1");
      expect((await store.accounts.get("ca", DIRECTORY))?.url).toBe("https://ca.example/acct/1");
    });

    test("a leaf that says 2100 is read again from its PEM", async () => {
      const { store, backend } = bench();
      const leaf = readLeaf(leafPem);
      await store.versions.insert(version({ leaf, leafPem }), KEY);
      const forged = JSON.stringify({ ...leaf, notAfter: Date.UTC(2100, 0) });
      await backend.run(`update versions set leaf = '${forged}'`);
      expect((await store.versions.latest("www"))?.leaf).toEqual(leaf);
      expect((await store.versions.listLatest()).map((found) => found.leaf.notAfter)).toEqual([leaf.notAfter]);
    });

    test.each([
      ["another certificate", "update versions set leaf_pem = 'OTHER' where certificate = 'www'"],
      ["another chain", `update versions set chain_pem = '["other"]' where certificate = 'www'`],
      ["a proof that nobody made", "update versions set verified_at = 5 where certificate = 'www'"],
      ["no revocation", "update versions set revoked_at = null where certificate = 'www'"],
      ["another generation", "update versions set generation = 9 where certificate = 'www'"],
    ])("a version with %s is refused, and the others are listed", async (_, sql) => {
      const { store, backend } = bench();
      const leaf = readLeaf(leafPem);
      for (const certificate of ["api", "www"])
        await store.versions.insert(version({ certificate, leaf, leafPem, verifiedAt: null }), KEY);
      await store.versions.markRevoked("www", 1, NOW);
      await backend.run(sql.replace("OTHER", otherPem));
      await expect(store.versions.latest("www")).rejects.toMatchObject({ code: "store.altered" });
      expect(await store.versions.list("www")).toEqual([]);
      expect((await store.versions.listLatest()).map(({ certificate }) => certificate)).toEqual(["api"]);
    });

    test.each([
      ["from another issuer", "update replacements set issuer = 'other'"],
      ["with another deadline", `update replacements set deadline = ${LATER}`],
      ["of another generation", "update replacement_members set generation = 7"],
      [
        "of another member",
        `insert into replacement_members (replacement, certificate, generation, wave, seal)
         select replacement, 'api', generation, wave, seal from replacement_members`,
      ],
    ])("a replacement %s is ignored", async (_, sql) => {
      const { replacements } = bench().store;
      const asked = { id: "p", selection: "all", issuer: null, deadline: NOW + 1, createdAt: NOW, endedAt: null };
      await replacements.create(asked, [{ replacement: "p", certificate: "www", generation: 1, wave: 0 }]);
      expect(await replacements.of("www")).toMatchObject({ replacement: "p" });
      await bench().backend.run(sql);
      const forged = (await replacements.of("api")) ?? (await replacements.of("www"));
      expect([forged?.issuer ?? null, forged?.generation ?? 1, forged?.deadline ?? NOW + 1]).toEqual([
        null,
        1,
        NOW + 1,
      ]);
      expect(await replacements.of("api")).toBeNull();
    });

    test("a pause keeps nothing from being renewed unless renewd wrote it", async () => {
      const { store, backend } = bench();
      await store.certificates.sync([CERTIFICATE], NOW);
      await backend.run("update certificates set paused_at = 5, paused_reason = 'planted'");
      expect((await store.certificates.get("www"))?.pausedAt).toBeNull();
      const pause = { pausedAt: NOW, pausedUntil: null, pausedReason: "a person's" };
      await store.certificates.update("www", pause);
      expect(await store.certificates.get("www")).toMatchObject(pause);
      expect(await store.certificates.due(NOW, 9)).toMatchObject([pause]);
      await store.certificates.sync([{ ...CERTIFICATE, digest: "changed" }], NOW);
      expect(await store.certificates.get("www")).toMatchObject(pause);
    });
  });

  test("seals of a release that left out how urgent a renewal is are made again, but for what was altered", async () => {
    const { store, another, backend, vault } = bench();
    for (const id of ["r", "s"]) await store.renewals.insert(renewal({ id, certificate: id }));
    const terms = { leaseMs: 1_000, retryMaxMs: 1_000 };
    await store.cursors.claim("ops", NOW, terms);
    const { db } = await openDatabase(backend.options, vault);
    const columns = SEALED.renewals.columns.filter((column) => column !== "priority");
    for (const row of await db.selectFrom("renewals").selectAll().execute()) {
      const seal = sealOfRow(vault, "renewals", row, columns);
      await db.updateTable("renewals").set({ seal }).where("id", "=", row.id).execute();
    }
    await backend.run("update renewals set reason = 'rollback' where id = 's'");
    for (const table of ["channel_cursors", "alert_states"]) await backend.run(`alter table ${table} drop column seal`);
    await sealedPriorities(vault).up(db);
    await db.destroy();
    const upgraded = await another();
    expect(await upgraded.renewals.claim("r", NOW, LEASE_MS)).toMatchObject({ id: "r" });
    expect(await upgraded.renewals.claim("s", NOW, LEASE_MS)).toBeNull();
    expect(await upgraded.cursors.claim("ops", NOW + 2_000, terms)).toMatchObject({ seq: 0 });
  });

  test("rows of a release without seals are sealed when it is upgraded, but for answers and orders in flight", async () => {
    const { store, another, backend, vault } = bench();
    await store.certificates.sync([CERTIFICATE], NOW);
    const pause = { pausedAt: NOW, pausedUntil: null, pausedReason: "a person's" };
    await store.certificates.update("www", pause);
    await store.versions.insert(version(), KEY);
    await store.renewals.insert(renewal({ id: "r" }));
    await store.renewals.saveOrderState("r", 0, { privateKey: KEY, orderUrl: "https://ca/1", csr: "request" });
    const { thumbprint } = await createAccount(store);
    await store.accounts.setUrl("ca", DIRECTORY, "https://ca.example/acct/1");
    await store.challenges.put("token", `token.${thumbprint}`, Date.now() + 60_000);
    const asked = { id: "p", selection: "all", issuer: null, deadline: NOW + 1, createdAt: NOW, endedAt: null };
    await store.replacements.create(asked, [{ replacement: "p", certificate: "www", generation: 1, wave: 0 }]);
    const tables = ["certificates", "versions", "renewals", "accounts", "challenges", "replacements"];
    for (const table of [...tables, "replacement_members"]) await backend.run(`alter table ${table} drop column seal`);
    await backend.run("update renewals set order_url = 'https://ca/1', csr = 'request'");
    // This migration alone: what later ones added stays.
    const { db } = await openDatabase(backend.options, vault);
    await rowSeals(vault).up(db);
    await db.destroy();

    const upgraded = await another();
    expect(await upgraded.certificates.get("www")).toMatchObject(pause);
    expect(await upgraded.versions.latest("www")).toEqual(version());
    expect(await upgraded.renewals.claim("r", NOW, LEASE_MS)).toMatchObject({ id: "r" });
    const order = await upgraded.renewals.orderState("r");
    expect([order.privateKey?.reveal(), order.orderUrl, order.csr]).toEqual(["the key", null, null]);
    expect((await upgraded.accounts.get("ca", DIRECTORY))?.url).toBe("https://ca.example/acct/1");
    expect(await upgraded.replacements.of("www")).toMatchObject({ replacement: "p" });
    expect(await upgraded.challenges.get("token")).toBeNull();
  });
}
