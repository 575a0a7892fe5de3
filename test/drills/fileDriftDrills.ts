// What somebody does to a target's files while the server still serves the right pair from memory.
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { createRoot } from "../support/ca/pki.ts";
import { type Edge, nameOf } from "../support/servers/edge.ts";
import { foreignPair, type Stages, startStages } from "../support/system/stages.ts";
import { until } from "../support/until.ts";
import type { Drill, Injection } from "./drill.ts";

const HEALED_WITHIN_MS = 60_000;
const NAME = "www";

const fileDrift: Drill = {
  name: "file-drift",
  faults: "46",
  title: "files are deleted, replaced, given a foreign key or an old pair: found before the server's restart, put back",
  quick: true,
  async run() {
    await using stages = await startStages({
      edges: ["front"],
      certificates: (edge) => ({
        [NAME]: { names: [nameOf(NAME)], targets: ["front"], endpoints: [edge("front").endpoint(NAME)] },
      }),
    });
    const front = stages.edge("front");
    await stages.system.workers();
    await stages.reaches(NAME, "succeeded", 90_000);
    const old = await pemOf(front);
    await stages.ended(await stages.force(NAME));
    const current = await pemOf(front);
    const ours = { certPem: current, keyPem: current };
    const foreign = await foreignPair(NAME);
    const otherKey = await (await createRoot()).issue({ names: [nameOf(NAME)] });
    const deeds: readonly (readonly [string, () => Promise<void>])[] = [
      ["deleted", () => rm(join(front.target.directory, NAME, "pair.pem"))],
      ["replaced by a foreign pair", () => front.overwrite(NAME, foreign)],
      ["replaced by the old pair", () => front.overwrite(NAME, { certPem: old, keyPem: "" })],
      ["given a foreign key", () => front.overwrite(NAME, { certPem: leafOf(current), keyPem: otherKey.keyPem })],
    ];
    front.stuck.set(NAME, ours);
    const injections: Injection[] = [];
    for (const [what, deed] of deeds) injections.push(await healed(stages, front, current, what, deed));
    // The last one takes the server down, as after a restart.
    front.stuck.clear();
    const down = async (): Promise<void> => front.overwrite(NAME, { certPem: leafOf(current), keyPem: foreign.keyPem });
    injections.push(await healed(stages, front, current, "made unusable", down));
    const problems = (await stages.system.store.versions.list(NAME)).length === 2 ? [] : ["another pair was issued"];
    return { injections, problems };
  },
};

async function healed(
  stages: Stages,
  front: Edge,
  wanted: string,
  what: string,
  deed: () => Promise<void>,
): Promise<Injection> {
  await until("the renewal before to end", async () =>
    (await stages.system.store.renewals.active(NAME)) === null ? true : null,
  );
  const at = Date.now();
  await deed();
  await until(
    `the file that was ${what} to be put back`,
    async () => ((await front.file(NAME))?.toString() === wanted ? true : null),
    HEALED_WITHIN_MS,
  );
  return { at, convergedAt: Date.now() };
}

async function pemOf(front: Edge): Promise<string> {
  return (await front.file(NAME))?.toString() ?? "";
}

/** The certificates of a bundle, without its key. */
function leafOf(bundle: string): string {
  return bundle.slice(bundle.indexOf("-----BEGIN CERTIFICATE-----"));
}

export const FILE_DRIFT_DRILLS: readonly Drill[] = [fileDrift];
