// Fault 35: 20 s without a way to the database, for some of the workers.
import { stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { until } from "../support/until.ts";
import type { Drill } from "./drill.ts";
import { startTcpProxy } from "./tcpProxy.ts";
import { pidOf } from "./timeline.ts";
import { OVERTAKEN } from "./workerDrills.ts";
import { oneMore } from "./world.ts";

const PARTITION_MS = 20_000;
const CUT_OFF = ["acme-2", "deployer-2"] as const;
const OTHERS = ["acme-1", "deployer-1"] as const;

const partitionDatabase: Drill = {
  name: "partition-database",
  faults: "35",
  title: "20 s without the database for an ACME worker at finalize and a deployer in its command",
  quick: false,
  world: () => ({ certificates: 3, postgresql: true }),
  async run(world) {
    const [issuing = "", deploying = ""] = world.sites.map(({ certificate }) => certificate);
    const before = await world.generations();
    const afterSeq = await world.lastSeq();
    const url = new URL(world.databaseUrl?.reveal() ?? "");
    await using proxy = await startTcpProxy(Number(url.port));
    url.port = String(proxy.port);
    const urlFile = join(world.system.home, "behind.url");
    await writeFile(urlFile, url.href, { mode: 0o600 });
    // One job at a time: they still reach Redis, and would go on taking jobs that they then cannot claim.
    const sections = { store: { type: "postgresql", url: `file:${urlFile}` }, workers: { issue: 1, deploy: 1 } };
    // The others rest, so that these get the jobs; they are back when the database is gone.
    for (const name of [...OTHERS, ...CUT_OFF]) await world.fleet.rest(name);
    const configs = {
      "acme-2": await world.configFile("acme-2-behind", { ...sections, http01: world.responder("acme-2") }),
      "deployer-2": await world.configFile("deployer-2-behind", sections),
    };
    const cutOff = CUT_OFF.map((name) => world.fleet.start(name, { configFile: configs[name] }));
    await world.fleet.allReady();

    const [begun, late] = [join(world.system.home, "begun"), join(world.system.home, "late")];
    await world.setHook(
      `[ "$RENEWD_CERTIFICATE" = ${deploying} ] && mkdir ${begun} 2>/dev/null && { sleep ${(2 * PARTITION_MS) / 1000}; touch ${late}; }`,
    );
    await world.force([deploying]);
    await until("a deployer's command", async () => ((await exists(begun)) ? true : null), 60_000);
    let at = 0;
    const thawed = Promise.withResolvers<void>();
    world.ledger.arm({
      certificate: issuing,
      step: "finalize",
      moment: "before",
      act: async () => {
        proxy.freeze();
        at = Date.now();
        for (const name of OTHERS) world.fleet.start(name);
        await delay(PARTITION_MS);
        proxy.thaw();
        thawed.resolve();
        return "goOn";
      },
    });
    await world.force([issuing]);
    const done = await world.converged(oneMore(before, [issuing, deploying]));
    await thawed.promise;
    const problems: string[] = [];
    for (const { name, process } of cutOff) {
      const told = async () => (process.log.some((line) => OVERTAKEN.test(line)) ? true : null);
      await until(`${name} to find that it was overtaken`, told, 30_000).catch(() =>
        problems.push(`${name} did not say so: ${process.log.slice(-3).join(" | ")}`),
      );
    }
    if (await exists(late)) problems.push("the deployer's command went on after its lease had run out");
    const events = await world.system.store.events.list({
      afterSeq,
      types: ["version.issued", "deploy.succeeded"],
      limit: 100,
    });
    const issued = events.find(({ type, certificate }) => type === "version.issued" && certificate === issuing);
    const deployed = events.find(
      ({ type, certificate, target }) => type === "deploy.succeeded" && certificate === deploying && target === "files",
    );
    const notes = [issued, deployed].map(
      (event) => `${event?.type} by another worker ${(((event?.at ?? 0) - at) / 1000).toFixed(1)} s after the cut`,
    );
    for (const event of [issued, deployed]) {
      if (event === undefined || cutOff.some(({ process }) => process.pid === pidOf(event)))
        problems.push(`${event?.type} by ${event?.worker}, which was cut off`);
      else if (event.at > at + PARTITION_MS) problems.push(`${event.type} only after the partition`);
    }
    await world.setHook("");
    for (const name of CUT_OFF) {
      await world.fleet.rest(name);
      world.fleet.start(name);
    }
    await world.fleet.allReady();
    return {
      injections: [issuing, deploying].map((name) => ({ at, convergedAt: done.get(name) ?? 0 })),
      notes,
      problems,
    };
  },
};

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

export const DATABASE_DRILLS: readonly Drill[] = [partitionDatabase];
