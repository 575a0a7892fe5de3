import { describe, expect, it } from "vitest";
import { unlimited } from "../../../src/domain/budget.ts";
import { decide, failedToIssue, type PlanFacts } from "../../../src/renewal/rules/decide.ts";
import {
  certificate,
  DAY_MS,
  deployment,
  endpointStatus,
  ISSUED_AT,
  NOW,
  record,
  renewal,
  version,
} from "../../support/model/facts.ts";

function facts(patch: Partial<PlanFacts> = {}): PlanFacts {
  return {
    certificate: certificate(),
    record: record(),
    version: version(),
    renewalInfo: null,
    active: null,
    deployments: [deployment({ deployedGeneration: 1 })],
    endpoints: [endpointStatus()],
    replacement: null,
    budget: { ca: unlimited("ca"), buckets: new Map() },
    ...patch,
  };
}

const IN_WINDOW = ISSUED_AT + 61 * DAY_MS;
const FREEZE = { from: ISSUED_AT, until: ISSUED_AT + 70 * DAY_MS, reason: "end of year" };
const EXPIRED = ISSUED_AT + 91 * DAY_MS;

describe("the planner's decision", () => {
  it("leaves a healthy certificate alone and says when it renews", () => {
    expect(decide(facts(), NOW)).toEqual({
      due: false,
      blockedBy: null,
      detail: "renews 2026-03-02 00:00:00Z",
      until: ISSUED_AT + 60 * DAY_MS,
    });
  });

  it.each<[string, Partial<PlanFacts>, number, string, string]>([
    ["missing", { version: null, deployments: [], endpoints: [] }, NOW, "missing", "no certificate"],
    [
      "identifiersChanged",
      { certificate: certificate({ identifiers: [{ type: "dns", value: "new.example.org" }] }) },
      NOW,
      "identifiersChanged",
      "+new.example.org -www.example.org",
    ],
    ["issuerChanged", { certificate: certificate({ issuer: "other" }) }, NOW, "issuerChanged", "issued by ca"],
    ["keyChanged", { certificate: certificate({ keyType: "rsa-2048" }) }, NOW, "keyChanged", "ecdsa-p256"],
    ["emergency", {}, ISSUED_AT + 86 * DAY_MS, "emergency", "expires in 4 d"],
    ["expired", {}, EXPIRED, "emergency", "expired 1 d ago"],
    ["renewalWindow", {}, IN_WINDOW, "renewalWindow", "window opened 2026-03-02"],
    [
      "a target left behind",
      { deployments: [deployment({ deployedGeneration: 0 })] },
      NOW,
      "drift",
      "not deployed to lb",
    ],
    ["a target added later", { deployments: [] }, NOW, "drift", "not deployed to lb"],
    ["an endpoint added later", { endpoints: [] }, NOW, "drift", "not proved at www.example.org@127.0.0.1:443"],
    [
      "an endpoint serving something else",
      { endpoints: [endpointStatus({ proved: false })] },
      NOW,
      "drift",
      "not served at",
    ],
  ])("finds %s", (_name, patch, now, reason, detail) => {
    const decision = decide(facts(patch), now);
    expect(decision).toMatchObject({ due: true, reason });
    expect(decision.detail).toContain(detail);
  });

  it("takes the first reason when several apply", () => {
    const both = facts({ certificate: certificate({ keyType: "rsa-2048", issuer: "other" }) });
    expect(decide(both, IN_WINDOW)).toMatchObject({ due: true, reason: "issuerChanged" });
  });

  it("does not take an imported certificate for one of the wrong issuer", () => {
    expect(
      decide(facts({ version: version({ issuer: "imported", verifiedAt: null }), endpoints: [] }), NOW),
    ).toMatchObject({ due: false, blockedBy: null });
  });

  it.each<[string, Partial<PlanFacts>, string, string]>([
    ["inFlight", { active: renewal({ state: "deploying" }) }, "inFlight", "is deploying"],
    ["paused", { record: record({ pausedAt: NOW, pausedReason: "migration" }) }, "paused", "migration"],
    [
      "backedOff",
      { record: record({ failures: 2, nextAttemptAt: IN_WINDOW + 1, lastErrorMessage: "no route to CA" }) },
      "backedOff",
      "2 failures in a row, last: no route to CA",
    ],
  ])("explains a certificate that is %s", (_name, patch, blockedBy, detail) => {
    const decision = decide(facts(patch), IN_WINDOW);
    expect(decision).toMatchObject({ due: false, blockedBy });
    expect(decision.detail).toContain(detail);
  });

  it("ends a pause at its time", () => {
    expect(decide(facts({ record: record({ pausedAt: NOW, pausedUntil: IN_WINDOW - 1 }) }), IN_WINDOW)).toMatchObject({
      due: true,
    });
  });

  it("never skips an expired certificate for a pause", () => {
    expect(decide(facts({ record: record({ pausedAt: NOW, pausedReason: "forgotten" }) }), EXPIRED)).toMatchObject({
      due: true,
      reason: "emergency",
    });
  });

  it("never lets a long back-off hold an expired certificate, but paces its attempts", () => {
    const held = (until: number): PlanFacts => facts({ record: record({ failures: 4, nextAttemptAt: until }) });
    expect(decide(held(EXPIRED + DAY_MS), EXPIRED)).toMatchObject({ due: true });
    expect(decide(held(EXPIRED + 60_000), EXPIRED)).toMatchObject({ due: false, blockedBy: "backedOff" });
  });

  it.each<[string, Partial<PlanFacts>, boolean]>([
    [
      "the CA cannot be reached",
      { record: record({ failures: 2, nextAttemptAt: IN_WINDOW + 1, lastErrorCode: "acme.connection" }) },
      true,
    ],
    [
      "a new pair was taken back",
      { record: record({ failures: 1, nextAttemptAt: IN_WINDOW + 1, lastErrorCode: "deploy.rolledBack" }) },
      true,
    ],
    ["there is a freeze", { certificate: certificate({ maintenance: { windows: [], freezes: [FREEZE] } }) }, true],
    [
      "deploying backs off itself",
      { record: record({ failures: 2, nextAttemptAt: IN_WINDOW + 1, lastErrorCode: "deploy.unreachable" }) },
      false,
    ],
    ["it is paused", { record: record({ pausedAt: NOW, pausedReason: "migration" }) }, false],
    [
      "it waits after a restore",
      {
        record: record({
          restoredAt: NOW,
          generationFloor: 5,
          failures: 1,
          nextAttemptAt: IN_WINDOW + 1,
          lastErrorCode: "acme.server",
        }),
      },
      false,
    ],
  ])("puts the pair that exists where it is missing while no new one comes, or not: %s", (_when, patch, mends) => {
    const missing = facts({ deployments: [deployment({ deployedGeneration: 0 })], ...patch });
    expect(decide(missing, IN_WINDOW)).toMatchObject(
      mends ? { due: true, reason: "drift", detail: "not deployed to lb" } : { due: false, reason: "renewalWindow" },
    );
    expect(decide(facts(patch), IN_WINDOW)).toMatchObject({ due: false, reason: "renewalWindow" });
  });

  it("puts no pair anywhere that has expired", () => {
    const backedOff = record({ failures: 2, nextAttemptAt: EXPIRED + 1, lastErrorCode: "acme.connection" });
    expect(decide(facts({ record: backedOff, deployments: [deployment()] }), EXPIRED)).toMatchObject({
      due: false,
      blockedBy: "backedOff",
    });
  });
});

it.each([
  ["acme.dns", true],
  ["solver.failed", true],
  ["dns.credentials", true],
  ["challenge.preflight", true],
  ["deploy.rolledBack", true],
  ["deploy.refused", false],
  [null, false],
])("after %s the pair in use is still deployed where it is missing: %s", (code, expected) => {
  expect(failedToIssue(code)).toBe(expected);
});
