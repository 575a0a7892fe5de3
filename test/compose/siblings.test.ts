import { hostname } from "node:os";
import { expect, it } from "vitest";
import { siblings } from "../../src/compose/siblings.ts";
import type { Heartbeat } from "../../src/domain/heartbeat.ts";
import { heartbeat, NOW } from "../support/model/facts.ts";

const found = (beats: readonly Heartbeat[]) => siblings({ beats: async () => [...beats] }, NOW);

it("another planner of this machine is a sibling while it runs, and one that was killed or stopped is none", async () => {
  const parent = `${hostname()}/${process.ppid}`;
  const planner = (patch: Partial<Heartbeat>) => heartbeat({ role: "planner", beatAt: NOW, ...patch });
  expect(await found([planner({ process: parent })])).toEqual([parent]);
  // No process has such a number.
  expect(await found([planner({ process: `${hostname()}/99999999` })])).toEqual([]);
  expect(await found([planner({ process: `${hostname()}/${process.pid}` })])).toEqual([]);
  expect(await found([planner({ process: parent, stoppedAt: NOW })])).toEqual([]);
  expect(await found([planner({ process: "elsewhere/1" })])).toEqual([]);
});
