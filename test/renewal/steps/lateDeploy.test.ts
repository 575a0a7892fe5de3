// A deployer that was slow: what it was told to do is no longer, or not yet, wanted.
import { afterEach, beforeEach, expect, it } from "vitest";
import { unlimited } from "../../../src/domain/budget.ts";
import type { Store } from "../../../src/domain/store.ts";
import type { Context } from "../../../src/renewal/context.ts";
import { DEFAULT_SETTINGS } from "../../../src/renewal/rules/settings.ts";
import { deploy } from "../../../src/renewal/steps/deploy.ts";
import { certificate, endpointStatus, NOW, renewal, version } from "../../support/model/facts.ts";
import { configText, createInstallation, type Installation } from "../../support/system/installation.ts";

const NO_SIGNAL = new AbortController().signal;
const WANTED = certificate({
  targets: ["a", "b"],
  waves: ["a", "b"].map((target) => ({ targets: [target], bakeMs: 0, failureBudget: 0 })),
  onWaveFailure: "hold",
  endpoints: ["a", "b"].map((target) => ({ host: target, port: 443, sni: "www.example.org", target })),
});
const RENEWAL = renewal({ generation: 2, state: "deploying" });

let installation: Installation;
let store: Store;
let deployed: string[];

/** Generation 2 is proved at wave 1, and wave 2 is next. */
beforeEach(async () => {
  installation = await createInstallation(configText([]), { planned: false });
  store = installation.store;
  await store.certificates.sync([WANTED], NOW);
  deployed = [];
  await installation.issue(version());
  await installation.issue(
    version({ generation: 2, verifiedAt: null, leaf: { ...version().leaf, fingerprint: "bb".repeat(32) } }),
  );
  await store.deployments.want("www", WANTED.targets, 2);
  await store.deployments.update("www", "a", 0, { deployedGeneration: 2, deployedAt: NOW - 1 });
  await prove(true);
  await store.renewals.insert(RENEWAL);
});
afterEach(() => installation[Symbol.asyncDispose]());

function prove(proved: boolean): Promise<void> {
  return store.observations.record(
    endpointStatus({ endpoint: "www.example.org@a:443", generation: 2, proved, roundEndedAt: proved ? NOW : null }),
    [],
  );
}

/** `beforeClaim`: what happens while this worker stands still, with the job in its hand. */
function worker(beforeClaim: () => Promise<unknown> = async () => {}): Context {
  let stoodStill = false;
  const transaction: Store["transaction"] = async (work) => {
    if (!stoodStill) await beforeClaim();
    stoodStill = true;
    return store.transaction(work);
  };
  const unused = () => expect.unreachable("nothing else is asked for");
  return {
    store: { ...store, transaction },
    queue: { enqueue: async () => {} },
    probe: { addresses: unused, observe: unused },
    services: {
      certificates: () => [WANTED],
      certificate: () => WANTED,
      issuer: unused,
      issuerNames: () => ["ca"],
      budget: unlimited,
      solver: unused,
      solvers: unused,
      hasAgent: () => false,
      places: () => [],
      ownCsr: () => null,
      limits: () => ({}),
      responsibility: () => null,
      reloads: () => false,
      rehearsal: unused,
      channels: () => new Map(),
      deployer: (target) => ({
        deploy: async ({ pair }) => {
          deployed.push(`${pair.generation} to ${target}`);
          return { generation: pair.generation, file: "/srv/now.pem" };
        },
      }),
    },
    clock: { now: () => NOW, monotonic: () => NOW, sleep: async () => {} },
    clockGuard: { check: async () => {} },
    log: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
    settings: DEFAULT_SETTINGS,
  };
}

it("records where the target kept a key before its paths changed, once", async () => {
  const receipt = { file: "/srv/f.pem", keyFile: "/srv/k.pem", "keyFile.2": "/srv/now.pem" };
  await store.deployments.update("www", "b", 0, { receipt });
  await deploy(worker(), RENEWAL.id, "b", NO_SIGNAL);
  expect(await store.leftTargets.list()).toMatchObject([{ target: "b", receipt: { keyFile: "/srv/k.pem" } }]);
  const events = await store.events.list({ types: ["target.left"], limit: 9 });
  expect(events.map(({ detail }) => detail.places)).toEqual([["/srv/k.pem"]]);
});

it("deploys what is next", async () => {
  await deploy(worker(), RENEWAL.id, "b", NO_SIGNAL);
  expect(deployed).toEqual(["2 to b"]);
  expect(await store.leftTargets.list()).toEqual([]);
});

const changes: [string, () => Promise<unknown>][] = [
  ["the renewal is held", () => store.renewals.update(RENEWAL.id, 0, { state: "held" })],
  [
    "the renewal has ended",
    () => store.renewals.update(RENEWAL.id, 0, { state: "rolledBack", finishedAt: NOW, nextActionAt: null }),
  ],
  ["the wave before is to be proved again", () => prove(false)],
];

it.each(changes)("puts nothing anywhere when %s", async (_what, happens) => {
  await happens();
  await deploy(worker(), RENEWAL.id, "b", NO_SIGNAL);
  expect(deployed).toEqual([]);
  expect(await store.deployments.get("www", "b")).toMatchObject({ deployedGeneration: 0, fence: 0 });
});

it.each([
  ...changes,
  [
    "a newer pair is wanted, which has not reached this wave",
    () => store.deployments.want("www", WANTED.targets, 3),
  ] as (typeof changes)[number],
])("decides when it claims: puts nothing anywhere when meanwhile %s", async (_what, happens) => {
  await deploy(worker(happens), RENEWAL.id, "b", NO_SIGNAL);
  expect(deployed).toEqual([]);
  expect(await store.deployments.get("www", "b")).toMatchObject({
    deployedGeneration: 0,
    leaseUntil: null,
    openClaims: 0,
  });
});
