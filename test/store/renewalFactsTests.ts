import { describe, expect, test } from "vitest";
import { Secret } from "../../src/domain/secret.ts";
import { noEvidence } from "../../src/renewal/rules/proof.ts";
import type { StoreBench } from "../conformance/store.ts";
import { certificate, endpointStatus, NOW, renewal, version } from "../support/model/facts.ts";

const KEY = new Secret("key");
const SEEN = {
  ...{ address: "192.0.2.1", port: 443, sni: "www.example.org", at: NOW, durationMs: 1 },
  ...{ served: null, problem: null },
};
const MEMBER = { replacement: "x", certificate: "www", generation: 2, wave: 1 };
const replacement = () => ({
  ...{ id: "x", selection: "--all", issuer: null },
  ...{ deadline: NOW + 9, createdAt: NOW, endedAt: null },
});

export function renewalFactsTests(bench: () => StoreBench): void {
  describe("the facts of a renewal", () => {
    test("are what each table says of it, and nothing of another certificate", async () => {
      const { store } = bench();
      for (const name of ["www", "api"]) {
        await store.certificates.sync([certificate({ name: "www" }), certificate({ name: "api" })], NOW);
        for (const generation of [1, 2, 3])
          await store.versions.insert(version({ certificate: name, generation }), KEY);
        await store.deployments.want(name, ["b", "a"], 3);
        await store.observations.record(endpointStatus({ certificate: name, generation: 3 }), []);
      }
      const [claimed] = [await store.deployments.claim("www", "a", NOW, 30_000)];
      const receipt = { arn: "arn:aws:1", version: 7 };
      await store.deployments.update("www", "a", claimed?.fence ?? 0, { deployedGeneration: 1, receipt });
      const facts = await store.renewals.facts(renewal({ generation: 3 }));
      expect(facts.record).toEqual({ digest: certificate().digest, removedAt: null });
      expect(facts.deployments).toEqual(await store.deployments.list("www"));
      expect(facts.deployments.map(({ target }) => target)).toEqual(["a", "b"]);
      expect(facts.endpoints).toEqual(await store.observations.statuses("www"));
      expect(facts.version(3)).toEqual(version({ generation: 3 }));
      expect(facts.before()).toEqual(version({ generation: 2 }));
      expect(facts.version(1)).toEqual(version({ generation: 1 }));
      expect(facts).toMatchObject({ latestGeneration: 3, inspectionAt: null, isReplaced: false });
    });

    test("say when its targets are inspected, and whether it is part of a replacement that goes on", async () => {
      const { store } = bench();
      await store.certificates.sync([certificate()], NOW);
      await store.deployments.want("www", ["a"], 1);
      const deployment = await store.deployments.get("www", "a");
      if (deployment === null) throw new Error("nothing is wanted");
      await store.deployments.recordDeployed(deployment, { deployedAt: NOW, targetDigest: null, receipt: {} });
      await store.deployments.claimInspections({ targets: ["a"], now: NOW, nextAt: NOW + 60_000, limit: 1 });
      await store.replacements.create(replacement(), [MEMBER]);
      const found = () => store.renewals.facts(renewal());
      expect(await found()).toMatchObject({ latestGeneration: null, inspectionAt: NOW + 60_000, isReplaced: true });
      await store.replacements.end("x", NOW);
      expect(await found()).toMatchObject({ isReplaced: false });
    });

    test("for a deployment come with the key of its version, and with what was seen at the endpoints", async () => {
      const { store, backend } = bench();
      await store.versions.insert(version({ generation: 1 }), new Secret("older"));
      await store.versions.insert(version({ generation: 2 }), KEY);
      const evidence = new Map([[SEEN.address, noEvidence(2)]]);
      await store.observations.record(endpointStatus({ generation: 2 }), [SEEN], evidence);
      const found = () => store.renewals.deployFacts(renewal({ generation: 2 }));
      const { privateKey, observed, ...facts } = await found();
      expect(privateKey().reveal()).toBe("key");
      expect(observed).toEqual(await store.observations.observations("www"));
      expect(observed).toMatchObject([{ observation: SEEN, evidence: noEvidence(2) }]);
      expect(facts.version(2)).toEqual((await store.renewals.facts(renewal({ generation: 2 }))).version(2));
      await backend.run("update observations set evidence = null");
      await backend.run("update versions set sealed_key = 'other' where generation = 2");
      const altered = await found();
      expect(altered.observed).toEqual([]);
      expect(altered.privateKey).toThrow(expect.objectContaining({ code: "store.sealed" }));
      const missing = await store.renewals.deployFacts(renewal({ generation: 3 }));
      expect(missing.privateKey).toThrow(expect.objectContaining({ code: "internal.bug" }));
    });

    test("of a certificate without anything are empty", async () => {
      const facts = await bench().store.renewals.facts(renewal());
      expect(facts).toMatchObject({ record: null, deployments: [], endpoints: [] });
      expect([facts.version(1), facts.before()]).toEqual([null, null]);
    });

    test("a version that somebody altered is refused only to those who ask for it", async () => {
      const { store, backend } = bench();
      for (const generation of [1, 2]) await store.versions.insert(version({ generation }), KEY);
      await backend.run("update versions set issuer = 'other' where generation = 1");
      const facts = await store.renewals.facts(renewal({ generation: 2 }));
      expect(facts.version(2)).toEqual(version({ generation: 2 }));
      expect(() => facts.before()).toThrow(expect.objectContaining({ code: "store.altered" }));
    });

    test("leave out an endpoint's status that somebody else wrote, and believe nothing of such a deployment", async () => {
      const { store, backend } = bench();
      await store.deployments.want("www", ["a"], 1);
      await store.observations.record(endpointStatus(), []);
      await backend.run("update deployments set deployed_generation = 1");
      await backend.run("update endpoint_statuses set generation = 2");
      const facts = await store.renewals.facts(renewal());
      expect(facts.endpoints).toEqual([]);
      expect(facts.deployments).toMatchObject([{ isAltered: true, deployedGeneration: 0 }]);
    });
  });

  describe("the facts that plan a certificate", () => {
    test("are what each table says of it, and nothing of another certificate", async () => {
      const { store } = bench();
      await store.certificates.sync([certificate({ name: "www" }), certificate({ name: "api" })], NOW);
      for (const name of ["www", "api"]) {
        for (const generation of [1, 2]) await store.versions.insert(version({ certificate: name, generation }), KEY);
        await store.deployments.want(name, ["b", "a"], 2);
        await store.observations.record(endpointStatus({ certificate: name, generation: 2 }), []);
        await store.renewalInfos.watch(name, 2, NOW);
        await store.renewals.insert(renewal({ id: name, certificate: name, generation: 3 }));
      }
      await store.renewalInfos.update("www", 2, { windowStart: NOW, windowEnd: NOW + 1, renewAt: NOW, polledAt: NOW });
      await store.replacements.create(replacement(), [MEMBER, { ...MEMBER, certificate: "api", wave: 0 }]);
      expect(await store.renewals.planningFacts("www")).toEqual({
        version: version({ generation: 2 }),
        replacement: await store.replacements.of("www"),
        renewalInfo: await store.renewalInfos.get("www"),
        active: await store.renewals.active("www"),
        deployments: await store.deployments.list("www"),
        endpoints: await store.observations.statuses("www"),
      });
      expect(await store.renewals.planningFacts("www")).toMatchObject({
        replacement: { replacement: "x", waitsFor: 1 },
        renewalInfo: { renewAt: NOW },
        active: { id: "www" },
      });
    });

    test("of a certificate without anything are empty", async () => {
      expect(await bench().store.renewals.planningFacts("www")).toEqual({
        ...{ version: null, replacement: null, renewalInfo: null, active: null },
        ...{ deployments: [], endpoints: [] },
      });
    });

    test("throw where the latest version was altered", async () => {
      const { store, backend } = bench();
      await store.versions.insert(version(), KEY);
      await backend.run("update versions set issuer = 'other'");
      await expect(store.renewals.planningFacts("www")).rejects.toMatchObject({ code: "store.altered" });
    });
  });

  describe("a version that is marked as proved by what was read of it", () => {
    test("keeps what happened to it since", async () => {
      const { store } = bench();
      await store.versions.insert(version({ verifiedAt: null }), KEY);
      const known = await store.versions.latest("www");
      await store.versions.markRevoked("www", 1, NOW + 1);
      await store.versions.markVerified("www", 1, NOW + 2, known ?? undefined);
      expect(await store.versions.latest("www")).toMatchObject({ revokedAt: NOW + 1, verifiedAt: NOW + 2 });
      await store.versions.markVerified("www", 1, NOW + 3, known ?? undefined);
      expect(await store.versions.latest("www")).toMatchObject({ verifiedAt: NOW + 2 });
    });

    test("is not believed after somebody altered it", async () => {
      const { store, backend } = bench();
      await store.versions.insert(version({ verifiedAt: null }), KEY);
      const known = await store.versions.latest("www");
      await backend.run("update versions set issuer = 'other'");
      await store.versions.markVerified("www", 1, NOW, known ?? undefined);
      await expect(store.versions.latest("www")).rejects.toMatchObject({ code: "store.altered" });
    });
  });

  describe("a target that took its pair", () => {
    test("is recorded only for the claim that put it there", async () => {
      const { deployments } = bench().store;
      await deployments.want("www", ["lb"], 1);
      const claimed = await deployments.claim("www", "lb", NOW, 9_000);
      if (claimed === null) throw new Error("not claimed");
      const done = { deployedAt: NOW, targetDigest: "d", receipt: { id: "x" } };
      await deployments.want("www", ["lb"], 2);
      expect(await deployments.recordDeployed(claimed, done)).toBe(false);
      const again = await deployments.claim("www", "lb", NOW + 9_000, 9_000);
      if (again === null) throw new Error("not claimed");
      expect(await deployments.recordDeployed(again, done)).toBe(true);
      expect(await deployments.get("www", "lb")).toMatchObject({
        ...{ ...done, deployedGeneration: 2, wantedGeneration: 2, leaseUntil: null, openClaims: 0 },
      });
      expect((await deployments.get("www", "lb"))?.isAltered).toBeUndefined();
    });
  });
}
