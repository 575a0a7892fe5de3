import { describe, expect, test } from "vitest";
import type { Evidence, Observation } from "../../src/domain/endpoint.ts";
import { openDatabase } from "../../src/store/database.ts";
import { sealedStates } from "../../src/store/migrations/0018-sealed-states.ts";
import type { StoreBench } from "../conformance/store.ts";
import { endpointStatus, NOW } from "../support/model/facts.ts";

const LEASE_MS = 9_000;
const DONE = { deployedGeneration: 1, deployedAt: NOW, targetDigest: "d", receipt: { arn: "arn:1" } };
const STATUS = endpointStatus();
const SEEN: Observation = {
  ...{ address: "::1", port: 443, sni: "www.example.org", at: NOW, durationMs: 1 },
  ...{ served: null, problem: null },
};
const EVIDENCE: Evidence = {
  ...{ generation: 1, good: 1, goodSince: NOW, lastGoodAt: NOW },
  ...{ relapses: 0, lastWrongAt: null, recent: [""] },
};

/** What renewd believes of targets, endpoints and suggested windows only when it wrote it itself. */
export function sealedStateTests(bench: () => StoreBench): void {
  const deploy = async (): Promise<void> => {
    const { deployments } = bench().store;
    await deployments.want("www", ["lb"], 1);
    await deployments.update("www", "lb", 0, DONE);
  };

  describe("a state that somebody else wrote", () => {
    test.each([
      ["a pair that was never deployed", "update deployments set deployed_generation = 99"],
      ["a pair that nobody wants", "update deployments set wanted_generation = 99"],
      ["another definition of the target", "update deployments set target_digest = 'other'"],
      ["a receipt of something else", `update deployments set receipt = '{"arn":"arn:other"}'`],
      ["a row of another target", "update deployments set target = 'cdn'"],
    ])("of a target counts as nothing: %s", async (_, sql) => {
      const { store, backend } = bench();
      await deploy();
      await backend.run(sql);
      const [row] = await store.deployments.list("www");
      expect(row).toMatchObject({
        ...{ wantedGeneration: 0, deployedGeneration: 0, deployedAt: null, targetDigest: null, receipt: null },
        ...{ isAltered: true, inspectionProblem: "has a row in the database that renewd did not write" },
      });
      const target = row?.target ?? "";
      expect(await store.deployments.claim("www", target, NOW, LEASE_MS)).toBeNull();
      await expect(store.deployments.receipt("www", target)).rejects.toMatchObject({ code: "store.altered" });
    });

    test("of a target is not legitimated by what renewd writes there, until a generation is wanted", async () => {
      const { deployments } = bench().store;
      await deploy();
      const claimed = await deployments.claim("www", "lb", NOW, LEASE_MS);
      await bench().backend.run("update deployments set wanted_generation = 99");
      await deployments.update("www", "lb", claimed?.fence ?? 0, DONE);
      await deployments.forget("www", "lb");
      expect(await deployments.get("www", "lb")).toMatchObject({ isAltered: true, fence: 2 });
      expect(await deployments.want("www", ["lb"], 2)).toEqual(["lb"]);
      const row = await deployments.get("www", "lb");
      expect(row).toMatchObject({ wantedGeneration: 2, deployedGeneration: 0, receipt: null, fence: 3 });
      expect(row).not.toHaveProperty("isAltered");
      expect(await deployments.want("www", ["lb"], 2)).toEqual([]);
    });

    test.each([
      ["a proof that nobody made", "update endpoint_statuses set proved = 1, error_code = null"],
      ["a look in the future", "update endpoint_statuses set round_ended_at = 9999999999999"],
      ["another generation", "update endpoint_statuses set generation = 99"],
    ])("of an endpoint counts as none: %s", async (_, sql) => {
      const { store, backend } = bench();
      const unproved = { ...STATUS, proved: false, errorCode: "verify.stale", errorMessage: "old" };
      await store.observations.record(unproved, [SEEN]);
      await store.observations.retry("www", 1);
      expect(await store.observations.statuses("www")).toEqual([{ ...unproved, roundEndedAt: null }]);
      await backend.run(sql);
      expect(await store.observations.statuses("www")).toEqual([]);
      await store.observations.retry("www", 99);
      expect(await store.observations.allStatuses()).toEqual([]);
      await store.observations.record(unproved, [SEEN]);
      expect(await store.observations.allStatuses()).toEqual([unproved]);
    });

    test("evidence is not what an endpoint is proved by", async () => {
      const { store, backend } = bench();
      await store.observations.record(STATUS, [SEEN], new Map([["::1", EVIDENCE]]));
      expect(await store.observations.observations("www")).toMatchObject([{ evidence: EVIDENCE }]);
      await backend.run(`update observations set evidence = '${JSON.stringify({ ...EVIDENCE, good: 40 })}'`);
      expect(await store.observations.observations("www")).toEqual([]);
    });

    test.each([
      ["a window that is open", `update renewal_infos set renew_at = ${NOW}`],
      ["a CA that is not believed", "update renewal_infos set overdue_in_row = 2"],
    ])("of a suggestion counts as none: %s", async (_, sql) => {
      const { renewalInfos } = bench().store;
      const window = { windowStart: NOW + 5, windowEnd: NOW + 9, renewAt: NOW + 7, polledAt: NOW };
      await renewalInfos.watch("www", 1, NOW);
      await renewalInfos.update("www", 1, window);
      expect(await renewalInfos.get("www")).toMatchObject(window);
      await bench().backend.run(sql);
      const nothing = { windowStart: null, renewAt: null, polledAt: null, overdueInRow: 0, orderedAt: null };
      expect(await renewalInfos.get("www")).toMatchObject(nothing);
      expect(await renewalInfos.due(NOW, 9)).toMatchObject([nothing]);
      await renewalInfos.update("www", 1, { nextPollAt: NOW + 1 });
      expect(await renewalInfos.list(), "written, but not legitimated").toMatchObject([nothing]);
      await renewalInfos.update("www", 1, window);
      expect(await renewalInfos.get("www"), "asked again").toMatchObject({ ...window, overdueInRow: 0 });
    });
  });

  describe("what makes status green", () => {
    const beat = {
      ...{ process: "web-1/42", role: "planner" as const, host: "web-1", version: "1", digest: "d", configFile: "/c" },
      ...{ targets: ["lb"], vantage: null, startedAt: NOW, beatAt: NOW, usefulAt: null, stoppedAt: null, problems: [] },
    };
    const acknowledgement = { subject: "www", kinds: ["stale"], reason: "known", by: null, at: NOW, until: NOW + 9 };

    test.each([
      ["a process that reports in the future", "heartbeats", "beat_at = 9999999999999"],
      ["a process that never stopped", "heartbeats", "stopped_at = null, host = 'other'"],
      ["a damaged report", "heartbeats", "problems = 'x'"],
      ["an acknowledgement of everything", "acknowledgements", `kinds = '["expired"]'`],
      ["an acknowledgement without end", "acknowledgements", "until = 9999999999999"],
      ["a damaged acknowledgement", "acknowledgements", "kinds = 'x'"],
    ])("is not %s, and the others are read", async (_, table, change) => {
      const { store, backend } = bench();
      const other = { ...beat, process: "web-2/42" };
      await store.health.beat([beat, other]);
      await store.health.beat([beat, other]);
      await store.health.acknowledge(acknowledgement);
      await store.health.acknowledge({ ...acknowledgement, subject: "api" });
      expect(await store.health.beats()).toEqual([beat, other]);
      const [key, name] = table === "heartbeats" ? ["process", "web-1/42"] : ["subject", "www"];
      await backend.run(`update ${table} set ${change} where ${key} = '${name}'`);
      const left = [await store.health.beats(), await store.health.acknowledgements(NOW)];
      const all = [
        [beat, other],
        [{ ...acknowledgement, subject: "api" }, acknowledgement],
      ];
      expect(left).toEqual(
        table === "heartbeats" ? [[other], all[1]] : [all[0], [{ ...acknowledgement, subject: "api" }]],
      );
    });
  });

  test("numbers that nothing can be compared with become null, or 0 where there must be one", async () => {
    const { store, backend } = bench();
    await deploy();
    expect(await store.repairNumbers()).toEqual([]);
    await backend.run("update deployments set fence = 9223372036854775807, lease_until = 9223372036854775807");
    expect(await store.repairNumbers()).toEqual(["deployments.fence", "deployments.lease_until"]);
    expect(await store.deployments.get("www", "lb")).toMatchObject({ fence: 0, leaseUntil: null });
    expect(await store.repairNumbers()).toEqual([]);
  });

  test("states of a release without seals are sealed when it is upgraded", async () => {
    const { store, another, backend, vault } = bench();
    await deploy();
    await store.observations.record(STATUS, [SEEN], new Map([["::1", EVIDENCE]]));
    await store.renewalInfos.watch("www", 1, NOW);
    for (const table of ["deployments", "endpoint_statuses", "observations", "renewal_infos"])
      await backend.run(`alter table ${table} drop column seal`);
    await backend.run("alter table renewals drop column issue_digest");
    const { db } = await openDatabase(backend.options, vault);
    await sealedStates(vault).up(db);
    await db.destroy();

    const upgraded = await another();
    expect(await upgraded.deployments.receipt("www", "lb")).toEqual({ arn: "arn:1" });
    expect(await upgraded.observations.statuses("www")).toEqual([STATUS]);
    expect(await upgraded.observations.observations("www")).toMatchObject([{ evidence: EVIDENCE }]);
    expect(await upgraded.renewalInfos.get("www")).toMatchObject({ generation: 1, nextPollAt: NOW });
  });
}
