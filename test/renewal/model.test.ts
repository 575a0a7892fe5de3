import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { unlimited } from "../../src/domain/budget.ts";
import type { Certificate } from "../../src/domain/certificate.ts";
import type { Job } from "../../src/domain/queue.ts";
import { isActive } from "../../src/domain/renewal.ts";
import { Secret } from "../../src/domain/secret.ts";
import type { Store } from "../../src/domain/store.ts";
import type { Version } from "../../src/domain/version.ts";
import { configure } from "../../src/renewal/configure.ts";
import { type Context, DEFAULT_SETTINGS } from "../../src/renewal/context.ts";
import { deploy } from "../../src/renewal/deploy.ts";
import { issue } from "../../src/renewal/issue.ts";
import { planDue } from "../../src/renewal/plan.ts";
import { sweep } from "../../src/renewal/sweep.ts";
import { verify } from "../../src/renewal/verify.ts";
import { openStore, openVault } from "../../src/store/index.ts";
import { Crash, crashing } from "../support/crashing.ts";
import { certificate, DAY_MS } from "../support/facts.ts";
import { ModelCa, ModelTarget } from "../support/modelPeers.ts";
import { type Random, seeded } from "../support/random.ts";

/**
 * The real verbs over the real store, in a world where time is ours and workers die at any call: random interleavings of
 * crashes, doubled, lost and late jobs, failing targets and a failing CA. RENEWD_MODEL_SEED replays one, RENEWD_MODEL_RUNS sets how many.
 */
const RUNS = Number(process.env.RENEWD_MODEL_RUNS ?? 40);
const FIRST_SEED = Number(process.env.RENEWD_MODEL_SEED ?? 1);
const STEPS = 60;
const NO_SIGNAL = new AbortController().signal;
const TARGETS = ["a", "b"];

let directory = "";
let store: Store;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "renewd-model-"));
  const vault = await openVault({ key: new Secret(Buffer.alloc(32, 7).toString("base64")) });
  store = await openStore({ kind: "sqlite", file: join(directory, "model.sqlite") }, vault, "model");
});
afterAll(async () => {
  await store.close();
  await rm(directory, { recursive: true });
});

class World {
  now = Date.UTC(2026, 0, 1);
  jobs: Job[] = [];
  readonly random: Random;
  readonly certificate: Certificate;
  readonly ca: ModelCa;
  readonly targets: Map<string, ModelTarget>;
  verified: Version | null = null;

  constructor(seed: number) {
    this.random = seeded(seed);
    const name = `cert-${seed}`;
    const endpoints = TARGETS.map((target) => ({ host: target, port: 443, sni: `${name}.example.org`, target }));
    this.certificate = certificate({ name, targets: TARGETS, endpoints, identifiers: [{ type: "dns", value: `${name}.example.org` }] });
    this.ca = new ModelCa(
      () => this.now,
      this.random,
      async () => (await store.renewals.active(name))?.id ?? "none",
    );
    this.targets = new Map(TARGETS.map((target) => [target, new ModelTarget(this.random)]));
  }

  /** One worker process: with `diesAfter` it dies at that call to the database or a peer, for good. */
  worker(diesAfter: number | null): Context {
    const crash = new Crash(diesAfter);
    const target = (name: string): ModelTarget => this.targets.get(name) ?? expect.unreachable();
    return {
      store: crashing(store, crash),
      queue: {
        enqueue: async (jobs) => {
          crash.step();
          // A hint may be lost or doubled.
          for (const job of jobs) for (let copies = this.random.pick([0, 1, 1, 1, 2]); copies > 0; copies--) this.jobs.push(job);
        },
      },
      probe: {
        addresses: async (endpoint) => [endpoint.host],
        observe: async (endpoint, address, expected) => {
          crash.step();
          const held = target(endpoint.host).fingerprint;
          const good = expected !== null && held === expected.leaf.fingerprint;
          const problem = good ? null : { code: "verify.stale", message: `serves ${held}` };
          return { address, port: endpoint.port, sni: endpoint.sni, at: this.now, durationMs: 1, served: null, problem };
        },
      },
      estate: {
        certificates: () => [this.certificate],
        certificate: (name) => (name === this.certificate.name ? this.certificate : null),
        issuer: () => this.ca.issuer(crash),
        budget: unlimited,
        solver: () => ({ challengeType: "model", present: async () => {}, cleanUp: async () => {} }),
        deployer: (name) => target(name).deployer(crash),
        limits: () => ({}),
        rehearsal: (name) => ({ issuer: null, budget: unlimited(name) }),
        hasAgent: () => false,
        channels: () => new Map(),
      },
      clock: {
        now: () => this.now,
        monotonic: () => this.now,
        sleep: async (durationMs) => {
          this.now += durationMs;
        },
      },
      clockGuard: { check: async () => {} },
      log: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
      settings: { ...DEFAULT_SETTINGS, handshakesToProve: 2 },
    };
  }

  async run(context: Context, job: Job): Promise<void> {
    if (job.kind === "issue") return issue(context, job.renewalId, NO_SIGNAL);
    if (job.kind === "deploy") return deploy(context, job.renewalId, job.target, NO_SIGNAL);
    return verify(context, job.renewalId, NO_SIGNAL);
  }

  /** Something happens. Whatever a dying worker throws dies with it. */
  async step(): Promise<void> {
    const context = this.worker(this.random.chance(0.4) ? this.random.below(40) : null);
    const event = this.random.pick(["job", "job", "job", "job", "sweep", "plan", "time", "flush", "weather"]);
    try {
      if (event === "sweep") await sweep(context, NO_SIGNAL);
      if (event === "plan") await planDue(context, NO_SIGNAL);
      if (event === "time") this.now += this.random.pick([1_000, 5_000, 15_000, 120_000, 3 * DAY_MS]);
      if (event === "flush") this.jobs = [];
      if (event === "weather") {
        this.ca.failing = this.random.chance(0.3);
        for (const target of this.targets.values()) {
          target.failing = this.random.chance(0.3);
          target.lying = this.random.chance(0.2);
        }
      }
      if (event === "job") {
        // Two workers at once, each with any job: late, doubled and out of order.
        const other = this.worker(this.random.chance(0.3) ? this.random.below(40) : null);
        const jobs = [context, other].map((worker) => ({ worker, job: this.jobs.splice(this.random.below(this.jobs.length), 1)[0] }));
        await Promise.allSettled(jobs.map(({ worker, job }) => (job ? this.run(worker, job) : null)));
      }
    } catch (thrown) {
      if (!(thrown instanceof Error && thrown.message.includes(Crash.MESSAGE))) throw thrown;
    }
  }

  /** Good weather, no more crashes: everything must come to an end by itself. */
  async settle(): Promise<void> {
    this.ca.failing = false;
    for (const target of this.targets.values()) {
      target.failing = false;
      target.lying = false;
    }
    const context = this.worker(null);
    for (let round = 0; round < 200; round++) {
      await planDue(context, NO_SIGNAL);
      await sweep(context, NO_SIGNAL);
      const jobs = this.jobs;
      this.jobs = [];
      for (const job of jobs) await this.run(context, job);
      const active = await store.renewals.active(this.certificate.name);
      const record = await store.certificates.get(this.certificate.name);
      if (active === null && record?.failures === 0 && (record.nextCheckAt ?? 0) > this.now) return;
      this.now = Math.max(this.now + 1_000, Math.min(active?.nextActionAt ?? record?.nextCheckAt ?? 0, this.now + DAY_MS));
      // A quarantine after a crash loop waits for a person.
      if (record?.pausedAt !== null) await store.certificates.update(this.certificate.name, { pausedAt: null, nextCheckAt: this.now });
    }
    expect.unreachable(`seed did not settle: ${JSON.stringify(await store.renewals.active(this.certificate.name))}`);
  }

  async invariants(): Promise<void> {
    const { name } = this.certificate;
    const active = await store.renewals.active(name);
    if (active !== null) expect(active.nextActionAt, "an active renewal always has a next action").not.toBeNull();
    const record = await store.certificates.get(name);
    if (active === null) expect(record?.nextCheckAt, "an idle certificate is always looked at again").not.toBeNull();
    for (const target of this.targets.values()) expect(target.wentBack, "no target ever got an older generation").toBe(false);
    expect(this.ca.needlessOrders, "no second order while the first could be used").toBe(0);
    const version = await store.versions.latest(name);
    if (version?.verifiedAt != null && version.verifiedAt !== this.verified?.verifiedAt) {
      this.verified = version;
      for (const target of this.targets.values()) expect(target.fingerprint, "verified means served").toBe(version.leaf.fingerprint);
    }
    expect(this.ca.issuedTwice, "one certificate per generation").toBe(false);
  }
}

describe("renewals under random crashes, lost and doubled jobs", () => {
  it.each(Array.from({ length: RUNS }, (_, index) => FIRST_SEED + index))("seed %i converges and never issues twice or goes back", async (seed) => {
    const world = new World(seed);
    await configure(world.worker(null));
    await planDue(world.worker(null), NO_SIGNAL);
    for (let step = 0; step < STEPS; step++) {
      await world.step();
      await world.invariants();
    }
    await world.settle();
    await world.invariants();
    const version = await store.versions.latest(world.certificate.name);
    for (const target of world.targets.values()) expect(target.fingerprint).toBe(version?.leaf.fingerprint);
    expect(version?.verifiedAt, "only handshakes make it succeed").not.toBeNull();
    const ended = await store.renewals.list({ certificate: world.certificate.name, limit: 100 });
    expect(ended.filter(({ state }) => isActive(state))).toEqual([]);
  });
});
