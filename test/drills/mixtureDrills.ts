// Fault 43 behind one address: a server that still has the old pair answers some of the connections.
import { setTimeout as delay } from "node:timers/promises";
import { DEFAULT_SETTINGS } from "../../src/renewal/rules/settings.ts";
import { nameOf } from "../support/servers/edge.ts";
import { startStages } from "../support/system/stages.ts";
import { until } from "../support/until.ts";
import type { Drill, Injection } from "./drill.ts";

const every =
  (nth: number) =>
  (connection: number): boolean =>
    connection % nth === 0;
/** By certificate: which connections get the old pair. */
const MIXTURES: ReadonlyMap<string, (connection: number) => boolean> = new Map([
  ["half", every(2)],
  ["third", every(3)],
  ["eighth", every(8)],
  ["second", () => Date.now() % 8_000 < 1_000],
]);
const NAMES = [...MIXTURES.keys()];
/** Renewals of drift and looks of the observer go on meanwhile. */
const MIXED_FOR_MS = 30_000;
const QUICK_MIXED_FOR_MS = 8_000;
const { connections, spreadMs } = DEFAULT_SETTINGS.proof;

const mixtures: Drill = {
  name: "mixtures",
  faults: "43",
  title: "a server gives the old pair to every 2nd, 3rd and 8th connection, or for 1 s in 8: found, never proved",
  quick: true,
  async run(_world, { quick }) {
    await using stages = await startStages({
      edges: ["front"],
      certificates: (edge) =>
        Object.fromEntries(
          NAMES.map((name) => [
            name,
            {
              names: [nameOf(name)],
              targets: ["front"],
              endpoints: [edge("front").endpoint(name)],
              // Two turns of the slowest mixture.
              verifyTimeout: "17s",
            },
          ]),
        ),
      // The proof that people get by default.
      sections: { verification: { connections, spread: `${spreadMs}ms` } },
    });
    const { system } = stages;
    const front = stages.edge("front");
    await system.workers();
    for (const name of NAMES) await stages.reaches(name, "succeeded", 90_000);
    for (const [name, isFor] of MIXTURES) {
      const pem = (await front.file(name))?.toString() ?? "";
      front.mixed.set(name, { pair: { certPem: pem, keyPem: pem }, isFor });
    }
    const at = Date.now();
    const forced = await Promise.all(NAMES.map((name) => stages.force(name)));
    const ended = await Promise.all(forced.map((id) => stages.ended(id)));
    const foundAfterMs = Date.now() - at;
    await delay(quick ? QUICK_MIXED_FOR_MS : MIXED_FOR_MS);
    const problems: string[] = [];
    for (const { certificate, generation, state, errorCode } of ended) {
      if (state !== "failed" || errorCode !== "verify.mixed")
        problems.push(`${certificate}: the renewal ended as ${state} (${errorCode})`);
      const converged = await stages.events(certificate, "verify.converged");
      if (converged.some(({ detail }) => detail.generation === generation))
        problems.push(`${certificate}: generation ${generation} was called proved while old pairs were served`);
      if ((await stages.version(certificate, generation)).verifiedAt !== null)
        problems.push(`${certificate}: generation ${generation} counts as verified`);
      const shown = (await stages.trouble(certificate))?.errors.find(({ code }) => code === "verify.mixed");
      if (shown === undefined) problems.push(`${certificate}: status does not show that it is mixed`);
    }
    front.mixed.clear();
    const cleanAt = Date.now();
    const injections: Injection[] = [];
    for (const { certificate, generation } of ended) {
      const convergedAt = await until(
        `the proof of ${certificate}`,
        async () => (await stages.version(certificate, generation)).verifiedAt,
        120_000,
      );
      injections.push({ at: cleanAt, convergedAt });
    }
    return { injections, problems, notes: [`mixed addresses were found ${foundAfterMs} ms after they were asked for`] };
  },
};

export const MIXTURE_DRILLS: readonly Drill[] = [mixtures];
