import { describe, expect, test } from "vitest";
import { Secret } from "../../src/domain/secret.ts";
import type { StoreBench } from "../conformance/store.ts";
import { certificate, endpointStatus, NOW, renewal, version } from "../support/model/facts.ts";

const KEY = new Secret("key");

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
}
