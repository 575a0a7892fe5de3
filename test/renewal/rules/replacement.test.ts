import { describe, expect, it } from "vitest";
import { unlimited } from "../../../src/domain/budget.ts";
import type { ReplacementMembership } from "../../../src/domain/replacement.ts";
import { decide, type PlanFacts } from "../../../src/renewal/rules/decide.ts";
import { type Selection, selects, waveOf } from "../../../src/renewal/rules/replacement.ts";
import { createRoot } from "../../support/ca/pki.ts";
import {
  certificate,
  DAY_MS,
  deployment,
  endpointStatus,
  ISSUED_AT,
  NOW,
  record,
  renewalInfo,
  version,
} from "../../support/model/facts.ts";

describe("a selection", () => {
  it.each<[Selection, boolean]>([
    [{ issuer: "ca" }, true],
    [{ issuer: "Test CA" }, false],
    [{ signedBy: "Test CA" }, true],
    [{ signedBy: "Test CB" }, false],
    [{ issuer: "other" }, false],
    [{ serials: new Set(["01", "02"]) }, true],
    [{ serials: new Set(["02"]) }, false],
    [{ san: "*.example.org" }, true],
    [{ san: "www.*.org" }, true],
    [{ san: "WWW.example.org" }, true],
    [{ san: "w*w.example.org*" }, true],
    [{ san: "*ww.example.orgg" }, false],
    [{ san: "www.example.org*www.example.org" }, false],
    [{ san: "example.org" }, false],
    [{ intermediate: "00".repeat(32) }, false],
    [{ issuer: "ca", san: "*.example.net" }, false],
    [{ profile: "tlsserver" }, true],
    [{ profile: "shortlived" }, false],
    [{ issuer: "other", profile: "tlsserver" }, false],
  ])("%j fits: %s", (selection, fits) => {
    expect(selects(selection, version(), certificate({ profile: "tlsserver" }))).toBe(fits);
  });

  it("finds an intermediate by its fingerprint", async () => {
    const root = await createRoot({ name: "Root" });
    const { certPem } = await root.issue({ names: ["www.example.org"] });
    const { X509Certificate } = await import("node:crypto");
    const intermediate = new X509Certificate(certPem).fingerprint256.replaceAll(":", "").toLowerCase();
    expect(selects({ intermediate }, version({ chainPem: [certPem] }), certificate())).toBe(true);
  });
});

describe("the planner, for a member of a replacement", () => {
  const replacement: ReplacementMembership = {
    replacement: "12345678-0000",
    certificate: "www",
    generation: 1,
    wave: 0,
    issuer: null,
    deadline: NOW + DAY_MS,
    waitsFor: 0,
  };
  const facts = (patch: Partial<PlanFacts> = {}): PlanFacts => ({
    certificate: certificate(),
    record: record(),
    version: version(),
    active: null,
    renewalInfo: null,
    deployments: [deployment({ deployedGeneration: 2 })],
    endpoints: [endpointStatus(), endpointStatus({ generation: 2 })].slice(0, 1),
    replacement,
    budget: { ca: unlimited("ca"), buckets: new Map() },
    ...patch,
  });

  it("replaces a healthy certificate and says for what", () => {
    expect(decide(facts(), NOW)).toEqual({
      due: true,
      reason: "requested",
      detail: "replacement 12345678, due 2026-01-12 00:00:00Z",
    });
  });

  it("is content with a later generation, and with none once it was cancelled", () => {
    const later = facts({ version: version({ generation: 2 }), endpoints: [endpointStatus({ generation: 2 })] });
    expect(decide(later, NOW)).toMatchObject({ due: false, blockedBy: null });
    expect(decide(facts({ replacement: null }), NOW)).toMatchObject({ due: false, blockedBy: null });
  });

  it("waits for its wave, and meanwhile renews for reasons of its own", () => {
    const later = { replacement: { ...replacement, wave: 2, waitsFor: 3 } };
    expect(decide(facts(later), NOW)).toMatchObject({
      ...{ due: false, blockedBy: "earlierWave", reason: "requested", until: NOW + 3_600_000 },
      detail: "replacement 12345678: waits for 3 certificates of earlier waves",
    });
    expect(decide(facts(later), ISSUED_AT + 61 * DAY_MS)).toMatchObject({ due: true, reason: "renewalWindow" });
    expect(decide(facts({ ...later, version: version({ revokedAt: NOW }) }), NOW)).toMatchObject({
      due: true,
      reason: "revoked",
    });
  });

  it("is given its wave by its place", () => {
    expect([0, 1, 2, 3, 4].map((index) => waveOf(index, [1, 2]))).toEqual([0, 1, 1, 2, 2]);
    expect([0, 7].map((index) => waveOf(index, []))).toEqual([0, 0]);
  });

  it("is held by no freeze: a person asked for it, with a deadline", () => {
    const frozen = certificate({
      maintenance: { windows: [], freezes: [{ from: ISSUED_AT, until: NOW + 3 * DAY_MS, reason: "sale" }] },
    });
    const moved = renewalInfo({ windowStart: NOW - 2, windowEnd: NOW + 5 * DAY_MS, renewAt: NOW - 1, polledAt: NOW });
    expect(decide(facts({ certificate: frozen, renewalInfo: moved, replacement: null }), NOW)).toMatchObject({
      due: false,
      blockedBy: "frozen",
    });
    expect(decide(facts({ certificate: frozen, renewalInfo: moved }), NOW)).toMatchObject({
      due: true,
      reason: "renewalInfo",
    });
  });

  it("lets what is graver go before, and holds like any other", () => {
    expect(decide(facts(), ISSUED_AT + 89 * DAY_MS)).toMatchObject({ due: true, reason: "emergency" });
    expect(decide(facts({ version: version({ revokedAt: NOW }) }), NOW)).toMatchObject({
      due: true,
      reason: "revoked",
    });
    expect(decide(facts({ record: record({ nextAttemptAt: NOW + 1, failures: 1 }) }), NOW)).toMatchObject({
      due: false,
      blockedBy: "backedOff",
    });
  });
});
