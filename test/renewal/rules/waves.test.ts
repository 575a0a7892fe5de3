// Waves in the state machine: canary first, bake, budget, hold, roll back.
import { describe, expect, it } from "vitest";
import type { Certificate } from "../../../src/domain/certificate.ts";
import type { Deployment, EndpointStatus } from "../../../src/domain/deployment.ts";
import type { Renewal } from "../../../src/domain/renewal.ts";
import { type Action, advance, askedBy, type Facts } from "../../../src/renewal/rules/advance.ts";
import { certificate, DAY_MS, deployment, endpointStatus, NOW, renewal, version } from "../../support/model/facts.ts";

const endpointOf = (target: string) => ({ host: target, port: 443, sni: "www.example.org", target });
const keyOf = (target: string): string => `www.example.org@${target}:443`;
const ANY = { host: "any", port: 443, sni: "www.example.org", target: null };

/** A canary, then two targets; the renewal brings generation 2. */
const STAGED = certificate({
  targets: ["canary", "a", "b"],
  waves: [
    { targets: ["canary"], bakeMs: 0, failureBudget: 0 },
    { targets: ["a", "b"], bakeMs: 0, failureBudget: 0 },
  ],
  onWaveFailure: "hold",
  endpoints: [...["canary", "a", "b"].map(endpointOf), ANY],
});
const BAKING = {
  ...STAGED,
  waves: [{ targets: ["canary"], bakeMs: 600_000, failureBudget: 0 }, ...STAGED.waves.slice(1)],
};

const behind = (target: string, patch: Partial<Deployment> = {}): Deployment =>
  deployment({ target, wantedGeneration: 2, deployedGeneration: 1, deployedAt: NOW - DAY_MS, ...patch });
const on2 = (target: string, deployedAt = NOW): Deployment => behind(target, { deployedGeneration: 2, deployedAt });
const givenUp = (target: string): Deployment =>
  behind(target, { exhausted: true, errorCode: "deploy.refused", errorMessage: "no such socket" });
const proved = (target: string, roundEndedAt = NOW): EndpointStatus =>
  endpointStatus({ endpoint: keyOf(target), generation: 2, roundEndedAt });
const stale = (target: string): EndpointStatus => ({
  ...proved(target),
  proved: false,
  errorCode: "verify.stale",
  errorMessage: "serves serial 00",
});

interface Given {
  readonly certificate?: Certificate;
  readonly renewal?: Partial<Renewal>;
  readonly facts?: Partial<Facts>;
  readonly deployments: readonly Deployment[];
  readonly endpoints?: readonly EndpointStatus[];
  readonly now?: number;
  /** A deployer of this target asks. */
  readonly asked?: string;
}

function next({
  certificate: wanted = STAGED,
  renewal: patch,
  facts,
  deployments,
  endpoints = [],
  now = NOW,
  asked,
}: Given): Action {
  const all: Facts = {
    certificate: wanted,
    version: version({ generation: 2, verifiedAt: null }),
    previous: version(),
    deployments,
    endpoints,
    silent: new Set(),
    leaseMs: 9_000,
    outdated: false,
    crashesMax: 5,
    ...facts,
  };
  return advance(renewal({ generation: 2, ...patch }), asked === undefined ? all : askedBy(asked, all, now), now);
}

const UNTOUCHED = [behind("a"), behind("b")];
const CANARY_STALE = { deployments: [on2("canary"), ...UNTOUCHED], endpoints: [stale("canary")] };

describe("a renewal in waves", () => {
  it("deploys the first wave alone", () => {
    expect(next({ deployments: [behind("canary"), ...UNTOUCHED] })).toEqual({ kind: "deploy", targets: ["canary"] });
  });

  it("proves the first wave at its own endpoints before the next begins", () => {
    expect(next({ deployments: [on2("canary"), ...UNTOUCHED] })).toEqual({
      kind: "verify",
      endpoints: [endpointOf("canary")],
    });
  });

  it("waits for a target that backs off only while the pair before is good: then the others get the new one", () => {
    const backedOff = behind("canary", {
      attempts: 1,
      nextAttemptAt: NOW + 200 * DAY_MS,
      errorCode: "deploy.rateLimited",
      errorMessage: "later",
    });
    const fresh = version({
      generation: 2,
      verifiedAt: null,
      leaf: { ...version().leaf, notBefore: NOW, notAfter: NOW + 90 * DAY_MS },
    });
    const given = { deployments: [backedOff, ...UNTOUCHED], facts: { version: fresh } };
    expect(next(given)).toEqual({ kind: "wait", until: NOW + 200 * DAY_MS });
    expect(next({ ...given, now: NOW + 78 * DAY_MS })).toEqual({ kind: "deploy", targets: ["a", "b"] });
  });

  it("begins the next wave once the first is proved", () => {
    expect(next({ deployments: [on2("canary"), ...UNTOUCHED], endpoints: [proved("canary")] })).toEqual({
      kind: "deploy",
      targets: ["a", "b"],
    });
  });

  it("proves an endpoint that any target may be behind with the last wave", () => {
    const deployments = [on2("canary"), on2("a"), on2("b")];
    expect(next({ deployments, endpoints: [proved("canary")] })).toEqual({
      kind: "verify",
      endpoints: [endpointOf("a"), endpointOf("b"), ANY],
    });
    expect(next({ deployments, endpoints: ["canary", "a", "b", "any"].map((target) => proved(target)) })).toEqual({
      kind: "succeed",
    });
  });

  it("does not count a proof from before the wave was deployed", () => {
    expect(next({ deployments: [on2("canary", NOW + 1), ...UNTOUCHED], endpoints: [proved("canary")] })).toMatchObject({
      kind: "verify",
    });
  });

  it("bakes: waits, proves the wave again, and only then goes on", () => {
    const given = { certificate: BAKING, deployments: [on2("canary"), ...UNTOUCHED] };
    const bakedAt = NOW + 600_000;
    expect(next({ ...given, endpoints: [proved("canary", NOW + 5)] })).toEqual({ kind: "wait", until: bakedAt });
    expect(next({ ...given, endpoints: [proved("canary", NOW + 5)], now: bakedAt })).toEqual({
      kind: "verify",
      endpoints: [endpointOf("canary")],
    });
    expect(next({ ...given, endpoints: [proved("canary", bakedAt + 1)], now: bakedAt + 1 })).toEqual({
      kind: "deploy",
      targets: ["a", "b"],
    });
    expect(
      next({ ...given, endpoints: [{ ...stale("canary"), roundEndedAt: bakedAt + 1 }], now: bakedAt + 1 }),
    ).toMatchObject({ kind: "hold", wave: 1 });
  });

  it("is held when a wave fails, with the wave and the reason", () => {
    expect(next(CANARY_STALE)).toEqual({
      kind: "hold",
      wave: 1,
      code: "verify.stale",
      message: `wave 1 of 2: endpoint ${keyOf("canary")}: serves serial 00`,
    });
    expect(next({ deployments: [givenUp("canary"), ...UNTOUCHED] })).toMatchObject({
      kind: "hold",
      wave: 1,
      code: "deploy.refused",
    });
  });

  it("lets the rest of a failing wave be tried and proved before it is held", () => {
    const endpoints = [proved("canary")];
    expect(next({ deployments: [on2("canary"), givenUp("a"), behind("b")], endpoints })).toEqual({
      kind: "deploy",
      targets: ["b"],
    });
    expect(next({ deployments: [on2("canary"), givenUp("a"), on2("b")], endpoints })).toEqual({
      kind: "verify",
      endpoints: [endpointOf("b"), ANY],
    });
    expect(
      next({
        deployments: [on2("canary"), givenUp("a"), on2("b")],
        endpoints: [...endpoints, proved("b"), proved("any")],
      }),
    ).toMatchObject({
      kind: "hold",
      wave: 2,
    });
  });

  it("goes on within the failure budget and says in the end what is behind", () => {
    const waves = [
      { targets: ["canary", "a"], bakeMs: 0, failureBudget: 1 },
      { targets: ["b"], bakeMs: 0, failureBudget: 0 },
    ];
    const certificate = { ...STAGED, waves };
    expect(
      next({ certificate, deployments: [on2("canary"), givenUp("a"), behind("b")], endpoints: [proved("canary")] }),
    ).toEqual({
      kind: "deploy",
      targets: ["b"],
    });
    const endpoints = ["canary", "b", "any"].map((target) => proved(target));
    expect(next({ certificate, deployments: [on2("canary"), givenUp("a"), on2("b")], endpoints })).toMatchObject({
      kind: "fail",
      message: "2 of 3 targets deployed; target a: no such socket",
    });
    expect(
      next({ certificate, deployments: [on2("canary"), givenUp("a"), behind("b")], endpoints: [stale("canary")] }),
    ).toMatchObject({
      kind: "hold",
      wave: 1,
    });
  });

  it("ends at the failed wave when the policy says fail, leaving later targets alone", () => {
    expect(next({ ...CANARY_STALE, certificate: { ...STAGED, onWaveFailure: "fail" } })).toMatchObject({
      kind: "fail",
      code: "verify.stale",
    });
  });

  it("asks to be rolled back when the policy says so", () => {
    expect(next({ ...CANARY_STALE, certificate: { ...STAGED, onWaveFailure: "rollBack" } })).toMatchObject({
      kind: "rollBack",
      wave: 1,
    });
  });

  it("protects against new pairs only: a pair that was proved live goes everywhere at once, without a person", () => {
    const facts = { version: version({ generation: 2, verifiedAt: NOW - 1 }) };
    expect(next({ ...CANARY_STALE, facts })).toEqual({ kind: "deploy", targets: ["a", "b"] });
    const deployments = [givenUp("canary"), on2("a"), on2("b")];
    const endpoints = ["a", "b", "any"].map((target) => proved(target));
    expect(next({ deployments, endpoints, facts })).toMatchObject({
      kind: "fail",
      message: "2 of 3 targets deployed; target canary: no such socket",
    });
  });

  it("ends when verifying kills its workers, unless the old pair is bad: then all that can take the new one get it", () => {
    const dying = { renewal: { openClaims: 5 }, deployments: [on2("canary"), ...UNTOUCHED] };
    const facts = { previous: version({ revokedAt: NOW }) };
    expect(next(dying)).toMatchObject({ kind: "fail", code: "internal.crashLoop" });
    expect(next({ ...dying, facts })).toEqual({ kind: "deploy", targets: ["a", "b"] });
    expect(next({ ...dying, facts, deployments: [on2("canary"), on2("a"), on2("b")] })).toMatchObject({
      kind: "fail",
      code: "internal.crashLoop",
    });
  });

  it("ends when its own pair is revoked", () => {
    const facts = { version: version({ generation: 2, verifiedAt: null, revokedAt: NOW }) };
    expect(next({ ...CANARY_STALE, facts, renewal: { state: "held" } })).toEqual({
      kind: "cancel",
      why: "generation 2 was revoked",
    });
  });

  it("goes back everywhere at once", () => {
    const deployments = [behind("canary"), ...UNTOUCHED];
    expect(next({ deployments, renewal: { reason: "rollback" } })).toEqual({
      kind: "deploy",
      targets: ["canary", "a", "b"],
    });
  });
});

describe("a target that no deployer serves", () => {
  const since = (at: number) => ({ nextAttemptAt: at });
  const emergencyAt = version().leaf.notAfter - 4.5 * DAY_MS;
  const dueAgainAt = version().leaf.notAfter - 30 * DAY_MS;

  it("keeps nobody from proving what the others hold, and is offered on and on", () => {
    const given = { deployments: [on2("canary"), on2("a"), behind("b", since(NOW - 15_000))] };
    const before = [proved("canary")];
    expect(next({ ...given, endpoints: before, now: NOW - 1 })).toEqual({ kind: "deploy", targets: ["b"] });
    expect(next({ ...given, endpoints: before })).toEqual({ kind: "verify", endpoints: [endpointOf("a"), ANY] });
    expect(next({ ...given, endpoints: [...before, proved("a"), proved("any")] })).toEqual({
      kind: "deploy",
      targets: ["b"],
    });
  });

  it("holds a wave back only while the old pair is good", () => {
    const facts = {
      version: version({
        generation: 2,
        verifiedAt: null,
        leaf: { ...version().leaf, notAfter: version().leaf.notAfter + 60 * DAY_MS },
      }),
    };
    const given = { deployments: [behind("canary", since(NOW)), ...UNTOUCHED], facts };
    expect(next({ ...given, now: emergencyAt - 1 })).toEqual({ kind: "deploy", targets: ["canary"] });
    expect(next({ ...given, now: emergencyAt })).toEqual({ kind: "deploy", targets: ["a", "b"] });
    const others = ["a", "b", "any"].map((target) => proved(target, emergencyAt));
    const reached = { ...given, deployments: [behind("canary", since(NOW)), on2("a"), on2("b")], endpoints: others };
    expect(next({ ...reached, now: emergencyAt })).toEqual({ kind: "deploy", targets: ["canary"] });
  });

  it.each(["hold", "fail"] as const)(
    "keeps a pair that no target has until it is about to expire (%s)",
    (onWaveFailure) => {
      const certificate = { ...STAGED, onWaveFailure };
      const given = {
        certificate,
        deployments: [behind("canary", since(NOW)), ...UNTOUCHED],
        facts: { previous: null },
      };
      const offered = { kind: "deploy", targets: ["canary"] };
      for (const now of [dueAgainAt - 1, dueAgainAt, emergencyAt - 1]) expect(next({ ...given, now })).toEqual(offered);
      expect(next({ ...given, now: emergencyAt })).toMatchObject({ code: "deploy.unattended" });
    },
  );

  it("is given time while a deployer is at work on the certificate's other targets", () => {
    const given = { certificate: { ...STAGED, waves: [], onWaveFailure: "fail" as const }, now: dueAgainAt };
    const deployments = (servedAt: number) => [behind("canary", since(NOW)), on2("a", servedAt), on2("b")];
    const endpoints = ["a", "b", "any"].map((target) => proved(target, dueAgainAt));
    const offered = { kind: "deploy", targets: ["canary"] };
    expect(next({ ...given, deployments: deployments(dueAgainAt - 14_999), endpoints })).toEqual(offered);
    expect(next({ ...given, deployments: deployments(dueAgainAt - 15_000), endpoints })).toMatchObject({
      kind: "fail",
    });
  });

  it("is served at once by a deployer that comes late, before the others are proved", () => {
    const given = {
      deployments: [on2("canary"), on2("a"), behind("b", since(NOW - 60_000))],
      endpoints: [proved("canary")],
    };
    expect(next(given)).toMatchObject({ kind: "verify" });
    expect(next({ ...given, asked: "b" })).toEqual({ kind: "deploy", targets: ["b"] });
    expect(next({ ...given, asked: "a" })).toMatchObject({ kind: "verify" });
    const backingOff = { ...given, deployments: [on2("canary"), on2("a"), behind("b", since(NOW + 1))] };
    expect(next({ ...backingOff, asked: "b" })).toMatchObject({ kind: "verify" });
  });

  it("fails the renewal in the end, so that the next pair can come", () => {
    const given = {
      certificate: { ...STAGED, waves: [] },
      deployments: [behind("canary", since(NOW)), on2("a"), on2("b")],
    };
    const endpoints = ["a", "b", "any"].map((target) => proved(target));
    expect(next({ ...given, endpoints, now: dueAgainAt - 1 })).toEqual({ kind: "deploy", targets: ["canary"] });
    expect(
      next({ ...given, certificate: { ...STAGED, waves: [], onWaveFailure: "fail" }, endpoints, now: dueAgainAt }),
    ).toMatchObject({
      kind: "fail",
      code: "deploy.unattended",
      message: "2 of 3 targets deployed; target canary: no deployer has taken it",
    });
  });
});

describe("a held renewal", () => {
  const held = { renewal: { state: "held" }, ...CANARY_STALE } as const;
  const emergencyAt = version().leaf.notAfter - 4.5 * DAY_MS;

  it("does nothing, and is looked at every hour", () => {
    expect(next(held)).toEqual({ kind: "wait", until: NOW + 3_600_000 });
  });

  it("goes on past the failed wave when the pair it keeps in use is about to expire", () => {
    expect(next({ ...held, now: emergencyAt - 1_000 })).toEqual({ kind: "wait", until: emergencyAt });
    expect(next({ ...held, now: emergencyAt })).toEqual({ kind: "deploy", targets: ["a", "b"] });
  });

  it("goes on when the pair it keeps in use was revoked", () => {
    expect(next({ ...held, facts: { previous: version({ revokedAt: NOW }) } })).toEqual({
      kind: "deploy",
      targets: ["a", "b"],
    });
  });

  it("ends in failure, not in another hold, when there is nothing left to keep", () => {
    const deployments = [on2("canary"), on2("a", NOW - 1), on2("b", NOW - 1)];
    const endpoints = [stale("canary"), ...["a", "b", "any"].map((target) => proved(target))];
    expect(
      next({
        ...held,
        deployments,
        endpoints: endpoints.map((status) => ({ ...status, roundEndedAt: emergencyAt })),
        now: emergencyAt,
      }),
    ).toMatchObject({
      kind: "fail",
      code: "verify.stale",
    });
  });

  it("without any pair before it waits for a person however long it takes", () => {
    expect(next({ ...held, facts: { previous: null }, now: NOW + 1_000 * DAY_MS })).toMatchObject({ kind: "wait" });
  });

  it("is cancelled when the certificate left the configuration", () => {
    expect(next({ ...held, facts: { certificate: null } })).toMatchObject({ kind: "cancel" });
  });
});
