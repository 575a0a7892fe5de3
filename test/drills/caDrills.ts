// Faults of CAs that no proxy of a world scripts: each has a Pebble of its own.
import { startCa } from "../acme/caFixture.ts";
import { HICCUPS, REQUESTS, survive } from "../support/ca/hiccups.ts";
import type { Drill, Injection } from "./drill.ts";

const caHiccups: Drill = {
  name: "ca-hiccups",
  faults: "25",
  title: "each kind of hiccup of a CA at each request of an order: no wait longer than the runway allows",
  quick: false,
  async run() {
    await using ca = await startCa({ env: { PEBBLE_WFE_NONCEREJECT: "0", PEBBLE_AUTHZREUSE: "0" } });
    const [injections, problems, waitsMs]: [Injection[], string[], number[]] = [[], [], []];
    for (const [place, matches] of Object.entries(REQUESTS)) {
      for (const [name, hiccup] of Object.entries(HICCUPS)) {
        const at = Date.now();
        const survived = await survive(ca.proxy, ca.solver, matches, hiccup);
        injections.push({ at, convergedAt: Date.now() });
        waitsMs.push(...survived.waitsMs);
        const faults = [...survived.tooLong, ...(survived.failed === null ? [] : [survived.failed])];
        if (survived.issued !== 1) faults.push(`${survived.issued} certificates`);
        problems.push(...faults.map((fault) => `${name} at ${place}: ${fault}`));
      }
    }
    const longestMin = Math.round(Math.max(0, ...waitsMs) / 60_000);
    return { injections, problems, notes: [`longest wait ${longestMin} min with 4 h left`] };
  },
};

export const CA_DRILLS: readonly Drill[] = [caHiccups];
