import { describe, expect, it } from "vitest";
import { registeredDomain } from "../../../src/config/check/registeredDomain.ts";
import { budgetOf } from "../../../src/config/schema/limits.ts";
import type { Bucket } from "../../../src/domain/budget.ts";
import { type Charge, chargesOf, keyOf, left, shortage, spend } from "../../../src/renewal/rules/budget.ts";
import { decide, type PlanFacts } from "../../../src/renewal/rules/decide.ts";
import { identifierOf } from "../../support/identifier.ts";
import {
  certificate,
  DAY_MS,
  deployment,
  endpointStatus,
  ISSUED_AT,
  record,
  renewalInfo,
  version,
} from "../../support/model/facts.ts";

const LE = budgetOf("le", "https://acme-v02.api.letsencrypt.org/directory");
const NOW = ISSUED_AT + 61 * DAY_MS;
const HOUR_MS = 3_600_000;

const order = (names: readonly string[], renewal = false) => ({
  identifiers: names.map(identifierOf),
  registeredDomains: [...new Set(names.map((name) => registeredDomain(identifierOf(name))))],
  renewal,
});

/** The buckets after `count` orders at `at`. */
function used(
  count: number,
  charges: readonly Charge[],
  at: number,
  buckets: ReadonlyMap<string, Bucket> = new Map(),
): Map<string, Bucket> {
  const after = new Map(buckets);
  for (let i = 0; i < count; i++) for (const bucket of spend(charges, after, at)) after.set(keyOf(bucket), bucket);
  return after;
}

const spending = (charges: readonly Charge[]) => charges.filter(({ spends }) => spends);

describe("a CA's limits", () => {
  it("are known of Let's Encrypt, absent for other CAs, and configured one by one", () => {
    expect(LE.limits).toMatchObject({
      ordersPerAccount: { max: 300, windowMs: 3 * HOUR_MS },
      certificatesPerExactSet: { max: 5 },
    });
    expect(budgetOf("x", "https://ca.example/dir").limits).toEqual({});
    const own = budgetOf("le", LE.directory, {
      ordersPerAccount: "none",
      certificatesPerDomain: { max: 500, per: 7 * DAY_MS },
    }).limits;
    expect(own.ordersPerAccount).toBeUndefined();
    expect(own).toMatchObject({ certificatesPerDomain: { max: 500 }, certificatesPerExactSet: { max: 5 } });
  });

  it.each([
    ["www.example.co.uk", "example.co.uk"],
    ["*.shop.example.org", "example.org"],
    ["*.example.org", "example.org"],
    ["me.github.io", "me.github.io"],
    ["192.0.2.7", "192.0.2.7"],
    ["2001:db8:1:2::7", "2001:db8:1:2::/64"],
    ["2001:db8::", "2001:db8:0:0::/64"],
  ])("count %s as %s", (name, domain) => {
    expect(registeredDomain(identifierOf(name))).toBe(domain);
  });

  it("allow five of an exact set, then one each 34 hours", () => {
    const charges = chargesOf(LE, order(["www.example.org", "example.org"]));
    expect(shortage(charges, used(4, spending(charges), NOW), false, NOW)).toBeNull();
    const taken = used(5, spending(charges), NOW);
    const short = shortage(charges, taken, false, NOW);
    expect(short).toMatchObject({ kind: "certificatesPerExactSet", until: NOW + (7 * DAY_MS) / 5 });
    expect(short?.detail).toBe("waits until 2026-03-04 09:36:00Z: 5 per exact set in 7 d");
    expect(shortage(charges, taken, false, (short?.until ?? 0) - 1)).not.toBeNull();
    expect(shortage(charges, taken, false, short?.until ?? 0)).toBeNull();
    const same = chargesOf(LE, order(["example.org", "www.example.org"]));
    expect(shortage(same, taken, false, NOW), "the order of names does not matter").not.toBeNull();
  });

  it("leave a tenth of a domain's certificates to emergencies, which go first", () => {
    const taken = used(45, spending(chargesOf(LE, order(["a.example.org"]))), NOW, new Map());
    const next = chargesOf(LE, order(["b.example.org"]));
    expect(shortage(next, taken, false, NOW)).toMatchObject({
      kind: "certificatesPerDomain",
      detail: expect.stringContaining("(example.org)"),
    });
    expect(shortage(next, taken, true, NOW)).toBeNull();
    const all = used(50, spending(chargesOf(LE, order(["a.example.org"]))), NOW);
    expect(shortage(next, all, true, NOW)).toMatchObject({ kind: "certificatesPerDomain" });
    expect(
      shortage(chargesOf(LE, order(["b.example.net"])), all, true, NOW),
      "other domains are not concerned",
    ).toBeNull();
  });

  it("hold no order longer than until the bucket is full, whatever the database says", () => {
    const charges = chargesOf(LE, order(["www.example.org"]));
    const far = new Map(charges.map((each) => [keyOf(each), { ...each, fullAt: NOW + 36_500 * DAY_MS }]));
    const until = shortage(charges, far, true, NOW)?.until ?? 0;
    expect(until).toBeGreaterThan(NOW);
    expect(until).toBeLessThan(NOW + 3_000 * DAY_MS);
    for (const { fullAt } of spend(charges, far, NOW)) expect(fullAt).toBeLessThan(NOW + 3_000 * DAY_MS);
  });

  it("do not count a renewal of the same names per domain or account at Let's Encrypt", () => {
    expect(chargesOf(LE, order(["a.example.org"], true)).map(({ kind }) => kind)).toEqual([
      "certificatesPerExactSet",
      "failuresPerIdentifier",
      "consecutiveFailuresPerIdentifier",
    ]);
  });

  it("never allow more than the bucket holds, however orders are spread over two windows", () => {
    const limit = LE.limits.ordersPerAccount ?? { max: 0, windowMs: 1 };
    const charges = spending(chargesOf(LE, order(["a.example.org"]))).filter(({ kind }) => kind === "ordersPerAccount");
    let buckets: Map<string, Bucket> = new Map();
    let taken = 0;
    for (let at = NOW; at < NOW + 2 * limit.windowMs; at += 10_000) {
      if (shortage(charges, buckets, true, at) !== null) continue;
      buckets = used(1, charges, at, buckets);
      taken += 1;
    }
    expect(taken).toBeGreaterThan(2.9 * limit.max);
    expect(taken).toBeLessThanOrEqual(3 * limit.max);
    const [only] = charges;
    expect(only && left(only, buckets.get(keyOf(only)), NOW + 3 * limit.windowMs)).toBe(limit.max);
  });
});

describe("the planner", () => {
  const charges = spending(chargesOf(LE, { ...certificate(), renewal: true }));
  const facts = (patch: Partial<PlanFacts> = {}, orders = 5): PlanFacts => ({
    certificate: certificate({ issuer: "le" }),
    record: record(),
    version: version({ issuer: "le" }),
    active: null,
    renewalInfo: null,
    deployments: [deployment({ deployedGeneration: 1 })],
    endpoints: [endpointStatus()],
    replacement: null,
    budget: { ca: LE, buckets: used(orders, charges, NOW) },
    ...patch,
  });

  it("holds what the CA would refuse, until it would not", () => {
    expect(decide(facts({}, 4), NOW)).toMatchObject({ due: true });
    const held = decide(facts(), NOW);
    expect(held).toMatchObject({
      due: false,
      blockedBy: "budget",
      reason: "renewalWindow",
      until: NOW + (7 * DAY_MS) / 5,
    });
    expect(decide(facts(), NOW + (7 * DAY_MS) / 5)).toMatchObject({ due: true });
  });

  it("is asked again when the emergency begins, which may take what routine work has to leave", () => {
    const leaf = { ...version().leaf, notAfter: ISSUED_AT + 66 * DAY_MS };
    const emergencyAt = ISSUED_AT + 66 * DAY_MS * 0.95;
    expect(emergencyAt).toBeLessThan(NOW + (5 * (7 * DAY_MS)) / 5);
    const full = facts({ version: version({ issuer: "le", leaf }) }, 10);
    expect(decide(full, NOW)).toMatchObject({ due: false, blockedBy: "budget", until: emergencyAt });
  });

  it("lets what is revoked take what routine work has to leave: thousands that are replaced starve it otherwise", () => {
    const ca = budgetOf("le", "https://ca.example/dir", { ordersPerAccount: { max: 100, per: DAY_MS } });
    const buckets = used(95, spending(chargesOf(ca, { ...certificate(), renewal: true })), NOW);
    const of = (revokedAt: number | null) =>
      decide(facts({ version: version({ issuer: "le", revokedAt }), budget: { ca, buckets } }), NOW);
    expect(of(null)).toMatchObject({ due: false, blockedBy: "budget" });
    expect(of(NOW)).toMatchObject({ due: true, reason: "revoked" });
  });

  it("holds neither what the CA asked for itself nor drift, which needs no order", () => {
    const { budget } = facts();
    expect(decide(facts({ renewalInfo: renewalInfo({ renewAt: NOW }) }), NOW)).toMatchObject({
      due: true,
      reason: "renewalInfo",
    });
    const early = ISSUED_AT + DAY_MS;
    const drifted = facts({ deployments: [], budget: { ...budget, buckets: used(5, charges, early) } });
    expect(decide(drifted, early)).toMatchObject({ due: true, reason: "drift" });
  });

  it("blocks no replacement of a certificate of the same CA inside its suggested window, for any reason", () => {
    const window = { windowStart: NOW - DAY_MS, windowEnd: NOW + DAY_MS, renewAt: NOW + 1 };
    const changed = (patch: Partial<PlanFacts> = {}) =>
      facts({
        certificate: { ...facts().certificate, keyType: "rsa-2048" },
        renewalInfo: renewalInfo(window),
        ...patch,
      });
    expect(decide(changed(), NOW)).toMatchObject({ due: true, reason: "keyChanged" });
    expect(decide(changed({ renewalInfo: renewalInfo({ ...window, windowEnd: NOW }) }), NOW)).toMatchObject({
      due: false,
      blockedBy: "budget",
    });
    expect(decide(changed({ renewalInfo: renewalInfo({ ...window, generation: 2 }) }), NOW)).toMatchObject({
      due: false,
      blockedBy: "budget",
    });
    // Nobody's certificate but that CA's can be replaced there.
    expect(decide(changed({ version: version({ issuer: "imported" }) }), NOW)).toMatchObject({
      due: false,
      blockedBy: "budget",
    });
  });
});
