import { describe, expect, it } from "vitest";
import type { Renewal } from "../../../src/domain/renewal.ts";
import { type Action, advance, type Facts } from "../../../src/renewal/rules/advance.ts";
import { certificate, deployment, endpointStatus, NOW, renewal, version } from "../../support/model/facts.ts";

function facts(patch: Partial<Facts> = {}): Facts {
  return {
    certificate: certificate(),
    version: version({ verifiedAt: null }),
    previous: null,
    deployments: [deployment()],
    endpoints: [],
    silent: new Set(),
    leaseMs: 9_000,
    outdated: false,
    crashesMax: 5,
    ...patch,
  };
}
const deployed = deployment({ deployedGeneration: 1, deployedAt: NOW });
const failing = { attempts: 1, errorCode: "deploy.unreachable", errorMessage: "socket absent" };

const TABLE: readonly [string, Partial<Renewal>, Partial<Facts>, Partial<Action>][] = [
  ["issues when there is no version", {}, { version: null }, { kind: "issue" }],
  [
    "waits while another worker holds the lease",
    { leaseUntil: NOW + 5 },
    { version: null },
    { kind: "wait", until: NOW + 5 },
  ],
  ["takes over a lease that ran out", { leaseUntil: NOW }, { version: null }, { kind: "issue" }],
  [
    "waits out the back-off before issuing again",
    { attempts: 1, retryAt: NOW + 9, errorCode: "acme.server" },
    { version: null },
    { kind: "wait", until: NOW + 9 },
  ],
  [
    "fails once issuing will not be tried again",
    { attempts: 5, errorCode: "acme.caa", errorMessage: "CAA forbids" },
    { version: null },
    { kind: "fail", code: "acme.caa", message: "CAA forbids" },
  ],
  [
    "gives up a crash loop while issuing",
    { openClaims: 5 },
    { version: null },
    { kind: "fail", code: "internal.crashLoop" },
  ],
  ["cancels when the configuration changed before issuing", { digest: "old" }, { version: null }, { kind: "cancel" }],
  [
    "goes on deploying when the configuration changed after issuing",
    { digest: "old" },
    {},
    { kind: "deploy", targets: ["lb"] },
  ],
  ["cancels when the certificate left the configuration", {}, { certificate: null }, { kind: "cancel" }],
  ["deploys what is behind", {}, {}, { kind: "deploy", targets: ["lb"] }],
  [
    "waits for a running deployment",
    {},
    { deployments: [deployment({ leaseUntil: NOW + 3 })] },
    { kind: "wait", until: NOW + 3 },
  ],
  ["verifies once deployed", {}, { deployments: [deployed] }, { kind: "verify" }],
  [
    "waits out a target's back-off",
    {},
    { deployments: [deployment({ ...failing, nextAttemptAt: NOW + 7 })] },
    { kind: "wait", until: NOW + 7 },
  ],
  [
    "succeeds when every endpoint is proved",
    {},
    { deployments: [deployed], endpoints: [endpointStatus()] },
    { kind: "succeed" },
  ],
  [
    "verifies again when the pair was deployed after the last round",
    {},
    { deployments: [deployment({ deployedGeneration: 1, deployedAt: NOW + 1 })], endpoints: [endpointStatus()] },
    { kind: "verify" },
  ],
  [
    "does not count a round from before this renewal",
    { createdAt: NOW + 1 },
    { deployments: [deployed], endpoints: [endpointStatus()] },
    { kind: "verify" },
  ],
  [
    "does not count a round of another generation",
    { generation: 2 },
    {
      version: version({ generation: 2 }),
      deployments: [deployment({ deployedGeneration: 2, deployedAt: NOW })],
      endpoints: [endpointStatus()],
    },
    { kind: "verify" },
  ],
  [
    "fails when an endpoint stays stale",
    {},
    {
      deployments: [deployed],
      endpoints: [endpointStatus({ proved: false, errorCode: "verify.stale", errorMessage: "serves serial 00" })],
    },
    { kind: "fail", code: "verify.stale" },
  ],
  [
    "fails with the target's own error when it is given up",
    {},
    { deployments: [deployment({ ...failing, exhausted: true })] },
    { kind: "fail", code: "deploy.unreachable", message: "0 of 1 targets deployed; target lb: socket absent" },
  ],
  [
    "gives up a target whose workers die",
    {},
    { deployments: [deployment({ openClaims: 5 })] },
    { kind: "fail", code: "internal.crashLoop" },
  ],
  [
    "gives up a verification whose workers die",
    { openClaims: 5 },
    { deployments: [deployed] },
    { kind: "fail", code: "internal.crashLoop" },
  ],
  ["verifies as long as fewer have died", { openClaims: 4 }, { deployments: [deployed] }, { kind: "verify" }],
  ["has nothing to do for an ended renewal", { state: "succeeded" }, {}, { kind: "none" }],
];

describe("advance", () => {
  it.each(TABLE)("%s", (_name, renewalPatch, factsPatch, expected) => {
    expect(advance(renewal(renewalPatch), facts(factsPatch), NOW)).toMatchObject(expected);
  });

  it("proves the healthy endpoints while one target is down, and fails honestly in the end", () => {
    const endpoints = [
      { host: "a", port: 443, sni: "a.example.org", target: "a" },
      { host: "b", port: 443, sni: "b.example.org", target: "b" },
    ];
    const both = certificate({ targets: ["a", "b"], endpoints });
    const a = deployment({ ...deployed, target: "a" });
    const retrying = deployment({ ...failing, target: "b", nextAttemptAt: NOW + 60_000 });
    expect(advance(renewal(), facts({ certificate: both, deployments: [a, retrying] }), NOW)).toMatchObject({
      kind: "verify",
      endpoints: [endpoints[0]],
    });

    const proved = endpointStatus({ endpoint: "a.example.org@a:443" });
    expect(
      advance(renewal(), facts({ certificate: both, deployments: [a, retrying], endpoints: [proved] }), NOW),
    ).toEqual({
      kind: "wait",
      until: NOW + 60_000,
    });
    const givenUp = { ...retrying, exhausted: true, nextAttemptAt: null };
    expect(
      advance(renewal(), facts({ certificate: both, deployments: [a, givenUp], endpoints: [proved] }), NOW),
    ).toMatchObject({
      kind: "fail",
      message: "1 of 2 targets deployed; target b: socket absent",
    });
  });
});
