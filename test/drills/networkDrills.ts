// Fault 35: 20 s without a way to the CA or to a target.
import { rename } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import type { Drill, Injection } from "./drill.ts";

const PARTITION_MS = 20_000;

const partitionCa: Drill = {
  name: "partition-ca",
  faults: "35",
  title: "20 s without the CA, from the middle of two orders on",
  quick: false,
  async run(world) {
    const [early = "", late = ""] = world.sites.map(({ certificate }) => certificate);
    const before = await world.generations();
    const afterSeq = await world.lastSeq();
    await world.force([early]);
    await world.event("challenge.presented", early, afterSeq);
    world.ledger.partitioned = true;
    const cut = Date.now();
    await world.force([late]);
    await delay(PARTITION_MS);
    const told = await world.system.store.events.list({
      certificate: late,
      types: ["issue.failed"],
      afterSeq,
      limit: 100,
    });
    world.ledger.partitioned = false;
    const at = Date.now();
    const done = await world.converged(new Map([early, late].map((name) => [name, (before.get(name) ?? 0) + 1])));
    const codes = [...new Set(told.map(({ detail }) => String(detail.code)))];
    return {
      injections: [...done.values()].map((convergedAt): Injection => ({ at, convergedAt: Math.max(at, convergedAt) })),
      lossInstants: [cut],
      notes: [`told as ${codes.join(", ")}, ${told.length} attempts while cut off`],
      problems:
        codes.length === 1 && codes[0] === "acme.connection" ? [] : [`told as ${codes.join(", ") || "nothing"}`],
    };
  },
};

const partitionTarget: Drill = {
  name: "partition-target",
  faults: "35",
  title: "20 s without HAProxy's runtime socket: its old certificate is served, nobody re-issues",
  quick: false,
  async run(world) {
    const { certificate } = world.sites[0] ?? { certificate: "" };
    const socket = world.haproxy.socket;
    const before = await world.generations();
    const afterSeq = await world.lastSeq();
    await rename(socket, `${socket}.away`);
    await world.force([certificate]);
    const failed = await world.event("deploy.failed", certificate, afterSeq);
    await delay(PARTITION_MS);
    await rename(`${socket}.away`, socket);
    const at = Date.now();
    const done = await world.converged(new Map([[certificate, (before.get(certificate) ?? 0) + 1]]));
    return {
      injections: [{ at, convergedAt: done.get(certificate) ?? 0 }],
      notes: [`told as ${failed.detail.code}: ${failed.detail.message}`],
      problems: failed.detail.code === "deploy.unreachable" ? [] : [`told as ${failed.detail.code}`],
    };
  },
};

export const NETWORK_DRILLS: readonly Drill[] = [partitionCa, partitionTarget];
