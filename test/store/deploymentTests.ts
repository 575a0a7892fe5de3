import { describe, expect, test } from "vitest";
import type { Observation } from "../../src/domain/endpoint.ts";
import { CLOCK_SKEW_MAX_MS } from "../../src/domain/lease.ts";
import type { StoreBench } from "../conformance/store.ts";
import { deployment, endpointStatus, NOW } from "../support/model/facts.ts";

const LEASE_MS = 30_000;

export function deploymentAndObservationTests(bench: () => StoreBench): void {
  describe("deployments", () => {
    test("wanting creates what is missing and drops targets not named", async () => {
      const { deployments } = bench().store;
      await deployments.want("www", ["lb", "cdn", "lb"], 1);
      await deployments.want("api", ["lb"], 1);
      expect(await deployments.list("www")).toEqual([deployment({ target: "cdn" }), deployment({ target: "lb" })]);
      await deployments.want("www", ["lb", "files"], 1);
      expect((await deployments.list("www")).map(({ target }) => target)).toEqual(["files", "lb"]);
      await deployments.want("www", [], 1);
      expect(await deployments.listAll()).toEqual([deployment({ certificate: "api" })]);
      expect(await deployments.get("api", "lb")).toEqual(deployment({ certificate: "api" }));
      expect(await deployments.get("www", "lb")).toBeNull();
    });

    test("wanting a newer generation clears attempts but keeps what is deployed and its receipt", async () => {
      const { deployments } = bench().store;
      await deployments.want("www", ["lb"], 1);
      const done = { deployedGeneration: 1, deployedAt: NOW, receipt: { arn: "arn:aws:acm:x", files: 2 } };
      const failed = {
        attempts: 3,
        openClaims: 2,
        nextAttemptAt: NOW + 9,
        exhausted: true,
        errorCode: "deploy.io",
        errorMessage: "disk full",
      };
      expect(await deployments.update("www", "lb", 0, { ...done, ...failed })).toBe(true);
      expect(await deployments.get("www", "lb")).toEqual(deployment({ ...done, ...failed }));
      await deployments.want("www", ["lb"], 2);
      expect(await deployments.get("www", "lb")).toEqual(deployment({ ...done, wantedGeneration: 2, fence: 1 }));
      await deployments.want("www", ["lb"], 1);
      expect(await deployments.get("www", "lb")).toEqual(deployment({ ...done, wantedGeneration: 2, fence: 1 }));
    });

    test("the failure of an older generation is not written to a newer one", async () => {
      const { deployments } = bench().store;
      await deployments.want("www", ["lb"], 1);
      const claimed = await deployments.claim("www", "lb", NOW, LEASE_MS);
      await deployments.want("www", ["lb"], 2);
      expect(await deployments.update("www", "lb", claimed?.fence ?? -1, { exhausted: true })).toBe(false);
      expect(await deployments.get("www", "lb")).toMatchObject({ exhausted: false, wantedGeneration: 2 });
    });

    test("of many that claim at once one gets the lease", async () => {
      const { store, another } = bench();
      const stores = [store, await another(), await another()];
      await store.deployments.want("www", ["lb"], 1);
      const claims = await Promise.all(stores.map(({ deployments }) => deployments.claim("www", "lb", NOW, LEASE_MS)));
      expect(claims.filter((claim) => claim !== null)).toEqual([
        deployment({ fence: 1, openClaims: 1, leaseUntil: NOW + LEASE_MS }),
      ]);
      expect(await store.deployments.claim("www", "lb", NOW + LEASE_MS, LEASE_MS)).toMatchObject({
        fence: 2,
        openClaims: 2,
      });
      expect(await store.deployments.update("www", "lb", 1, { deployedGeneration: 1 })).toBe(false);
      expect(await store.deployments.update("www", "lb", 2, { deployedGeneration: 1, leaseUntil: null })).toBe(true);
      expect(await store.deployments.claim("www", "other", NOW, LEASE_MS)).toBeNull();
    });

    test("a lease that only a wrong clock can have taken holds nothing", async () => {
      const { deployments } = bench().store;
      await deployments.want("www", ["ahead", "tolerable"], 1);
      await deployments.claim("www", "tolerable", NOW + CLOCK_SKEW_MAX_MS, LEASE_MS);
      await deployments.claim("www", "ahead", NOW + CLOCK_SKEW_MAX_MS + 1, LEASE_MS);
      expect(await deployments.claim("www", "tolerable", NOW, LEASE_MS)).toBeNull();
      expect(await deployments.claim("www", "ahead", NOW, LEASE_MS)).toMatchObject({
        fence: 2,
        leaseUntil: NOW + LEASE_MS,
      });
    });

    test("a forgotten target holds nothing, but its receipt is kept", async () => {
      const { deployments } = bench().store;
      await deployments.want("www", ["lb"], 1);
      await deployments.update("www", "lb", 0, { deployedGeneration: 1, deployedAt: NOW, receipt: { arn: "arn" } });
      await deployments.forget("www", "lb");
      expect(await deployments.get("www", "lb")).toEqual(deployment({ receipt: { arn: "arn" }, fence: 1 }));
    });

    test("a deployment that runs while its target is forgotten writes nothing", async () => {
      const { deployments } = bench().store;
      await deployments.want("www", ["lb"], 1);
      const claimed = await deployments.claim("www", "lb", NOW, LEASE_MS);
      await deployments.forget("www", "lb");
      expect(
        await deployments.update("www", "lb", claimed?.fence ?? -1, { deployedGeneration: 1, leaseUntil: null }),
      ).toBe(false);
      // Until its lease has run out it may be at work there still.
      expect(await deployments.get("www", "lb")).toEqual(deployment({ fence: 2, leaseUntil: NOW + LEASE_MS }));
    });
  });

  describe("inspections", () => {
    const page = (now: number, ...targets: string[]) => ({ targets, now, nextAt: now + 100, limit: 10 });
    const deployed = async (certificate: string, target: string): Promise<void> => {
      const { deployments } = bench().store;
      await deployments.want(certificate, [target], 1);
      await deployments.update(certificate, target, 0, {
        deployedGeneration: 1,
        deployedAt: NOW,
        receipt: { file: "f" },
      });
    };

    test("are due after a deployment, at the given targets, and then at the next instant", async () => {
      const { deployments } = bench().store;
      await deployed("www", "lb");
      await deployed("api", "edge");
      await deployments.want("new", ["lb"], 1);
      const names = async (now: number, ...targets: string[]) =>
        (await deployments.claimInspections(page(now, ...targets))).map(({ certificate }) => certificate);
      expect(await names(NOW)).toEqual([]);
      expect(await names(NOW, "lb")).toEqual(["www"]);
      expect(await names(NOW + 99, "lb", "edge")).toEqual(["api"]);
      expect(await names(NOW + 100, "lb")).toEqual(["www"]);
      expect(await names(NOW + 100, "lb"), "taken once").toEqual([]);
      expect(await deployments.inspectedAfter(["www", "other"], NOW + 110)).toEqual(["www"]);
      await deployments.inspectBy("www", NOW + 110);
      expect(await deployments.inspectedAfter(["www", "other"], NOW + 110)).toEqual([]);
      expect(await names(NOW + 109, "lb")).toEqual([]);
      expect(await names(NOW + 110, "lb")).toEqual(["www"]);
    });

    test("of what was never inspected come before what is overdue, on both databases", async () => {
      const { deployments } = bench().store;
      await deployed("old", "lb");
      await deployments.claimInspections(page(NOW, "lb"));
      await deployed("www", "lb");
      const first = await deployments.claimInspections({ ...page(NOW + 200, "lb"), limit: 1 });
      expect(first.map(({ certificate }) => certificate)).toEqual(["www"]);
    });

    test("leave out targets that do not hold the wanted pair, and pairs that renewd did not deploy", async () => {
      const { deployments } = bench().store;
      await deployed("behind", "lb");
      await deployments.want("behind", ["lb"], 2);
      await deployments.want("imported", ["lb"], 1);
      await deployments.update("imported", "lb", 0, { deployedGeneration: 1 });
      expect(await deployments.claimInspections(page(NOW, "lb"))).toEqual([]);
    });

    test("each go to one of several deployers", async () => {
      const { store, another } = bench();
      const other = await another();
      for (const name of ["a", "b", "c"]) await deployed(name, "lb");
      const claims = await Promise.all(
        [store, other, store].map(({ deployments }) => deployments.claimInspections(page(NOW, "lb"))),
      );
      expect(
        claims
          .flat()
          .map(({ certificate }) => certificate)
          .sort(),
      ).toEqual(["a", "b", "c"]);
    });

    test("keep what they found, for a worker with the current fence", async () => {
      const { deployments } = bench().store;
      await deployed("www", "lb");
      const fence = (await deployments.get("www", "lb"))?.fence ?? -1;
      expect(await deployments.update("www", "lb", fence, { inspectionProblem: "holds no certificate" })).toBe(true);
      expect((await deployments.get("www", "lb"))?.inspectionProblem).toBe("holds no certificate");
      await deployments.forget("www", "lb");
      expect(await deployments.update("www", "lb", fence, { inspectionProblem: null })).toBe(false);
    });
  });

  describe("observations", () => {
    const seen = (address: string, patch: Partial<Observation> = {}): Observation => {
      return {
        address,
        port: 443,
        sni: "www.example.org",
        at: NOW,
        durationMs: 3,
        served: null,
        problem: null,
        ...patch,
      };
    };

    test("a round replaces the endpoint's status and what its addresses served", async () => {
      const { observations } = bench().store;
      const served = {
        fingerprint: "aa",
        serial: "01",
        subjectAltNames: ["www"],
        issuer: "CA",
        notBefore: 1,
        notAfter: 2,
        chain: ["bb"],
      };
      await observations.record(
        endpointStatus({ endpoint: "e", proved: false, errorCode: "verify.stale", errorMessage: "old" }),
        [seen("::1"), seen("10.0.0.1")],
      );
      await observations.record(endpointStatus({ endpoint: "other", certificate: "api" }), [seen("10.0.0.9")]);
      const second = [
        seen("10.0.0.1", { served }),
        seen("10.0.0.2", { problem: { code: "verify.stale", message: "serves 02" } }),
      ];
      await observations.record(endpointStatus({ endpoint: "e", generation: 2 }), second);
      expect(await observations.statuses("www")).toEqual([endpointStatus({ endpoint: "e", generation: 2 })]);
      expect(await observations.observations("www")).toEqual(
        second.map((observation) => ({ certificate: "www", endpoint: "e", observation, evidence: null })),
      );
      const all = (await observations.allObservations()).map((row) => `${row.certificate} ${row.observation.address}`);
      expect(all).toEqual(["www 10.0.0.1", "www 10.0.0.2", "api 10.0.0.9"]);
      expect((await observations.allStatuses()).map(({ certificate }) => certificate)).toEqual(["api", "www"]);
    });

    test("the evidence of each address is kept with its observation", async () => {
      const { observations } = bench().store;
      const evidence = {
        ...{ generation: 1, good: 40, goodSince: NOW, lastGoodAt: NOW + 4_000, relapses: 2, lastWrongAt: NOW - 1 },
        recent: ["", "generation 6", `serial "'); drop table events; --`, ""],
      };
      const found = [seen("10.0.0.1"), seen("10.0.0.2")];
      await observations.record(endpointStatus({ endpoint: "e" }), found, new Map([["10.0.0.2", evidence]]));
      const stored = await observations.observations("www");
      expect(stored.map((row) => row.evidence)).toEqual([null, evidence]);
    });

    test("what a hostile endpoint says is stored as harmless text", async () => {
      const { observations } = bench().store;
      const message = `<img onerror=x> '); drop table events; -- \u0000 \u202e \ud800 ${"é".repeat(2_000)}`;
      await observations.record(endpointStatus({ endpoint: "e", errorCode: "verify.stale", errorMessage: message }), [
        seen("10.0.0.1", { problem: { code: "verify.stale", message } }),
      ]);
      const [found] = await observations.observations("www");
      expect(found?.observation.problem?.message).toBe(message);
      const [status] = await observations.statuses("www");
      expect(status?.errorMessage).toBe(message.replace("\u0000", "\ufffd").replace("\ud800", "\ufffd"));
    });

    test("two verifiers of one endpoint at once leave one round, not a mixture", async () => {
      const { store, another } = bench();
      const other = await another();
      const round = (generation: number) => ["a", "b", "c"].map((address) => seen(`${generation}-${address}`));
      for (let turn = 0; turn < 5; turn += 1) {
        await Promise.all([
          store.observations.record(endpointStatus({ endpoint: "e", generation: 1 }), round(1)),
          other.observations.record(endpointStatus({ endpoint: "e", generation: 2 }), round(2)),
        ]);
        const [status] = await store.observations.statuses("www");
        const addresses = (await store.observations.observations("www")).map(({ observation }) => observation.address);
        expect(addresses).toEqual(round(status?.generation ?? 0).map(({ address }) => address));
      }
    });
  });
}
