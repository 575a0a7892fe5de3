import { expect, test } from "vitest";
import type { DrillMember } from "../../../src/domain/drill.ts";
import { drillEnd, drillTimes, measured } from "../../../src/renewal/rules/drill.ts";

const NOTHING = { detected: null, issued: null, deployed: null, proved: null };
const member = (patch: Partial<DrillMember> = {}): DrillMember => ({
  ...{ certificate: "www", generation: 1, ...NOTHING },
  ...patch,
});
const facts = (patch = {}) => ({
  ...{ startedAt: 1_000, renewals: [], versions: [], deployments: [], targets: 2 },
  ...patch,
});
const planned = { generation: 2, createdAt: 2_000 };
const issued = { generation: 2, createdAt: 3_000, verifiedAt: null };
const held = { deployedGeneration: 2, deployedAt: 4_000 };

test.each([
  ["nothing happened", {}, {}],
  ["what was there before does not count", { versions: [{ generation: 1, createdAt: 1, verifiedAt: 2 }] }, {}],
  ["it is planned", { renewals: [planned] }, { detected: 2_000 }],
  [
    "a renewal that was in flight already was detected at once",
    { renewals: [{ generation: 2, createdAt: 500 }] },
    { detected: 1_000 },
  ],
  ["it is issued", { renewals: [planned], versions: [issued] }, { detected: 2_000, issued: 3_000 }],
  [
    "one of two targets has it",
    { versions: [issued], deployments: [held, { ...held, deployedGeneration: 1 }] },
    { issued: 3_000 },
  ],
  [
    "every target has it: the last one counts",
    { versions: [issued], deployments: [held, { ...held, deployedAt: 5_000 }] },
    { issued: 3_000, deployed: 5_000 },
  ],
  [
    "without targets, it is in place once it is issued",
    { versions: [issued], targets: 0 },
    { issued: 3_000, deployed: 3_000 },
  ],
  [
    "a target that was deployed to once more does not make it later than it was proved",
    { versions: [{ ...issued, verifiedAt: 6_000 }], deployments: [held, { ...held, deployedAt: 9_000 }] },
    { issued: 3_000, deployed: 6_000, proved: 6_000 },
  ],
  [
    "of two generations the one that was proved counts",
    { versions: [issued, { generation: 3, createdAt: 7_000, verifiedAt: 8_000 }], deployments: [] },
    { issued: 7_000, proved: 8_000 },
  ],
])("%s", (_, patch, reached) => {
  expect(measured(member(), facts(patch))).toEqual(member(reached));
});

test("what is known stays, also when the rows it came from are gone", () => {
  const known = member({ detected: 2, issued: 3, deployed: 4, proved: 5 });
  expect(measured(known, facts())).toEqual(known);
});

test("a certificate that never got there took longer than any other", () => {
  const members = [10, 20, 30, null].map((ms) => member({ proved: ms === null ? null : 1_000 + ms }));
  const proved = drillTimes({ startedAt: 1_000, members }).at(-1);
  expect(proved).toEqual({ stage: "proved", reached: 3, p50Ms: 20, p95Ms: null, maxMs: null });
  const hundred = Array.from({ length: 100 }, (_, index) => member({ proved: 1_001 + index }));
  expect(drillTimes({ startedAt: 1_000, members: hundred }).at(-1)).toMatchObject({ p50Ms: 50, p95Ms: 95, maxMs: 100 });
});

test("it ends with the last proof, its cancellation or its deadline, whichever comes first", () => {
  const both = [member({ proved: 5 }), member({ proved: 7 })];
  const one = [member({ proved: 5 }), member()];
  expect(drillEnd(both, { deadline: 100, endedAt: null }, 50)).toBe(7);
  expect(drillEnd(one, { deadline: 100, endedAt: null }, 99)).toBeNull();
  expect(drillEnd(one, { deadline: 100, endedAt: null }, 150)).toBe(100);
  expect(drillEnd(one, { deadline: 100, endedAt: 60 }, 150)).toBe(60);
});
