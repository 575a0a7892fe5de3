import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { unlimited } from "../../src/domain/budget.ts";
import type { Certificate, WaveFailure } from "../../src/domain/certificate.ts";
import { endpointKey } from "../../src/domain/endpoint.ts";
import type { EventType } from "../../src/domain/event.ts";
import type { Job } from "../../src/domain/queue.ts";
import { isActive } from "../../src/domain/renewal.ts";
import type { Store } from "../../src/domain/store.ts";
import type { Version } from "../../src/domain/version.ts";
import type { Context } from "../../src/renewal/context.ts";
import { resumeRenewal } from "../../src/renewal/operator/resume.ts";
import { configure } from "../../src/renewal/plan/configure.ts";
import { planDue } from "../../src/renewal/plan/plan.ts";
import { DEFAULT_SETTINGS } from "../../src/renewal/rules/settings.ts";
import { renewalWindow } from "../../src/renewal/rules/window.ts";
import { deploy, deployClaimed } from "../../src/renewal/steps/deploy.ts";
import { issue } from "../../src/renewal/steps/issue.ts";
import { sweep } from "../../src/renewal/steps/sweep.ts";
import { verify, verifyClaimed } from "../../src/renewal/steps/verify.ts";
import { inspectDue } from "../../src/renewal/watch/inspect.ts";
import { observeDue } from "../../src/renewal/watch/observe.ts";
import { Crash, crashing } from "../support/model/crashing.ts";
import { certificate, DAY_MS } from "../support/model/facts.ts";
import { changeWeather, ModelCa, ModelTarget } from "../support/model/peers.ts";
import { changedSomehow, decideSomething } from "../support/model/people.ts";
import { type Random, seeded } from "../support/model/random.ts";

const PROOF = { connections: 2, spreadMs: 0 };

/**
 * The real verbs over the real store, in a world where time is ours and workers die at any call: random interleavings
 * of crashes, doubled, lost and late jobs, failing targets and a failing CA; most certificates go in waves, people
 * steer, strangers write over what is served, endpoints are looked at, and of a changed configuration some processes
 * have yet to hear. RENEWD_MODEL_SEED replays
 * one, RENEWD_MODEL_RUNS sets how many.
 */
const STEPS = 160;
const NO_SIGNAL = new AbortController().signal;
const TARGETS = ["a", "b"];
/** As often as they stand here. */
const EVENTS = [
  ...[
    "job",
    "job",
    "job",
    "job",
    "job",
    "job",
    "job",
    "job",
    "sweep",
    "sweep",
    "sweep",
    "time",
    "time",
    "time",
    "time",
  ],
  ...["plan", "flush", "weather", "weather", "person", "person", "look", "stranger", "reconfigure"],
] as const;
const STRANGER = "a stranger's pair";

let store: Store;

class World {
  now = Date.UTC(2026, 0, 1);
  jobs: Job[] = [];
  /** What processes claimed for their own workers with the outcome of the step before. */
  begun: (() => Promise<void>)[] = [];
  readonly random: Random;
  certificate: Certificate;
  /** What processes may still have that were not reloaded. */
  readonly outdated: [null, ...Certificate[]] = [null];
  /** In the other worlds renewals get further: a change resumes what is held. */
  readonly changes: boolean;
  readonly ca: ModelCa;
  readonly targets: Map<string, ModelTarget>;
  verified: Version | null = null;
  /** Generations that the second wave got although the first had not been proved with them. */
  readonly premature: number[] = [];
  /**
   * What went wrong that nobody intended: `deploy` and others hand it to the queue's worker or the log, which go on.
   */
  readonly bugs: unknown[] = [];

  constructor(seed: number) {
    this.random = seeded(seed);
    this.changes = seed % 3 === 0;
    const name = `cert-${seed}`;
    const endpoints = TARGETS.map((target) => ({ host: target, port: 443, sni: `${name}.example.org`, target }));
    const staged = [
      { targets: ["a"], bakeMs: seed % 2 === 0 ? 10_000 : 0, failureBudget: 0 },
      { targets: ["b"], bakeMs: 0, failureBudget: 0 },
    ];
    const waves = seed % 5 === 0 ? [] : staged;
    const onWaveFailure =
      waves.length === 0 ? "fail" : this.random.pick<WaveFailure>(["hold", "hold", "rollBack", "fail"]);
    this.certificate = certificate({
      name,
      targets: TARGETS,
      waves,
      onWaveFailure,
      endpoints,
      identifiers: [{ type: "dns", value: `${name}.example.org` }],
    });
    this.ca = new ModelCa(
      () => this.now,
      this.random,
      async () => (await store.renewals.active(name))?.id ?? "none",
    );
    const b = new ModelTarget(this.random);
    this.targets = new Map(Object.entries({ a: new ModelTarget(this.random), b }));
    b.onDeploy = async (generation) => {
      if (waves.length > 0 && !(await this.mayFollow(generation))) this.premature.push(generation);
    };
  }

  /**
   * The second wave may get what was proved at the first, or everywhere before, and anything once an old pair is near
   * its end.
   */
  async mayFollow(generation: number): Promise<boolean> {
    const { name, endpoints, policy } = this.certificate;
    const [first] = endpoints.map(endpointKey);
    const events = await store.events.list({
      certificate: name,
      types: ["verify.converged", "version.reinstated"],
      limit: 10_000,
    });
    const proofs = events.filter(
      ({ type, detail }) =>
        detail.generation === generation && (type === "version.reinstated" || detail.endpoint === first),
    );
    const older = (await store.versions.list(name)).filter((version) => version.generation < generation);
    return proofs.length > 0 || older.some(({ leaf }) => renewalWindow(leaf, policy).emergencyAt <= this.now);
  }

  /** A planner loads another configuration; the other processes are reloaded or not. */
  async reconfigure(): Promise<void> {
    this.outdated.push(this.certificate);
    this.certificate = changedSomehow(this.certificate, this.random, this.outdated.length);
    await configure(this.worker(this.random.chance(0.2) ? this.random.below(20) : null), NO_SIGNAL);
  }

  /** One worker process: with `diesAfter` it dies at that call to the database or a peer, for good. */
  worker(diesAfter: number | null, known: Certificate | null = this.certificate): Context {
    const crash = new Crash(diesAfter);
    const target = (name: string): ModelTarget => this.targets.get(name) ?? expect.unreachable();
    const room = <Claimed>(work: (process: Context, claimed: Claimed, signal: AbortSignal) => Promise<void>) => {
      const begin = (claimed: Claimed) => void this.begun.push(() => work(context, claimed, NO_SIGNAL));
      return this.random.chance(0.5) ? { begin, leave: () => {} } : null;
    };
    const context: Context = {
      store: crashing(store, crash),
      queue: {
        enqueue: async (jobs) => {
          crash.step();
          // A hint may be lost or doubled.
          for (const job of jobs)
            for (let copies = this.random.pick([0, 1, 1, 1, 2]); copies > 0; copies--) this.jobs.push(job);
        },
      },
      probe: {
        addresses: async (endpoint) => [endpoint.host],
        observe: async (endpoint, address, expected) => {
          crash.step();
          const held = target(endpoint.host).fingerprint;
          const good = expected !== null && held === expected.leaf.fingerprint;
          const problem = good ? null : ({ code: "verify.stale", message: `serves ${held}` } as const);
          const { port, sni } = endpoint;
          const seen = { address, port, sni, at: this.now, durationMs: 1, served: null, problem };
          return endpoint.server === undefined ? seen : { ...seen, byServer: true };
        },
        attested: () => PROOF.connections,
      },
      services: {
        certificates: () => (known === null ? [] : [known]),
        certificate: (name) => (name === known?.name ? known : null),
        issuer: () => this.ca.issuer(crash),
        issuerNames: () => ["ca"],
        budget: unlimited,
        solver: () => ({ challengeType: "model", present: async () => {}, cleanUp: async () => {} }),
        solvers: () => [],
        deployer: (name) => ({
          ...target(name).deployer(crash),
          // Sometimes the kernel shows that it alone answers.
          server: async () => {
            crash.step();
            return this.random.chance(0.7) ? 4_321 : null;
          },
        }),
        limits: () => ({}),
        responsibility: () => null,
        reloads: () => false,
        rehearsal: (name) => ({ issuer: null, budget: unlimited(name) }),
        hasAgent: () => false,
        places: () => [],
        ownCsr: () => null,
        channels: () => new Map(),
      },
      clock: {
        now: () => this.now,
        monotonic: () => this.now,
        sleep: async (durationMs) => {
          this.now += durationMs;
        },
      },
      isVerifier: this.random.chance(0.5),
      clockGuard: { check: async () => {} },
      log: { debug: () => {}, info: () => {}, warn: () => {}, error: ({ err }) => this.notice(err) },
      settings: { ...DEFAULT_SETTINGS, proof: PROOF },
      rooms: { deploy: () => room(deployClaimed), verify: () => room(verifyClaimed) },
    };
    return context;
  }

  async run(context: Context, job: Job): Promise<void> {
    if (job.kind === "issue") return issue(context, job.renewalId, NO_SIGNAL);
    if (job.kind === "deploy") return deploy(context, job.renewalId, job.target, NO_SIGNAL);
    return verify(context, job.renewalId, NO_SIGNAL);
  }

  /** Something happens. Whatever a dying worker throws dies with it. */
  async step(): Promise<void> {
    const known = this.changes && this.random.chance(0.2) ? this.random.pick(this.outdated) : this.certificate;
    const context = this.worker(this.random.chance(0.4) ? this.random.below(40) : null, known);
    const wished = this.random.pick(EVENTS);
    const event = wished === "job" && this.jobs.length + this.begun.length === 0 ? "sweep" : wished;
    try {
      if (event === "sweep") await sweep(context, NO_SIGNAL);
      if (event === "plan") await planDue(context, NO_SIGNAL);
      if (event === "time") this.now += this.random.pick([1_000, 5_000, 15_000, 120_000, 3_600_000, 3 * DAY_MS]);
      if (event === "reconfigure" && this.changes) await this.reconfigure();
      if (event === "flush") this.jobs = [];
      if (event === "person") await decideSomething(context, this.random, this.certificate.name);
      if (event === "look") await this.look(context);
      if (event === "stranger") this.overwrite();
      if (event === "weather") changeWeather(this.ca, this.targets.values(), this.random);
      if (event === "job") {
        // Two workers at once, each with any job: late, doubled and out of order.
        const other = this.worker(this.random.chance(0.3) ? this.random.below(40) : null);
        const jobs = [context, other].map((worker) => ({
          worker,
          job: this.jobs.splice(this.random.below(Math.max(1, this.jobs.length)), 1)[0],
        }));
        const works = jobs.map(({ worker, job }) => (job ? this.run(worker, job) : null));
        works.push(...this.begun.splice(0).map((work) => work()));
        // A planner is reloaded while the workers record what they did.
        if (this.changes && this.random.chance(0.1)) works.push(this.reconfigure());
        const ends = await Promise.allSettled(works);
        for (const end of ends) if (end.status === "rejected") this.notice(end.reason);
      }
    } catch (thrown) {
      if (!(thrown instanceof Error && thrown.message.includes(Crash.MESSAGE))) throw thrown;
    }
  }

  notice(thrown: unknown): void {
    if (!(thrown instanceof Error && thrown.message.includes(Crash.MESSAGE))) this.bugs.push(thrown);
  }

  /** A stranger writes over what a target serves, what it would serve after a restart, or both. */
  overwrite(): void {
    const target = this.random.pick([...this.targets.values()] as [ModelTarget, ...ModelTarget[]]);
    const what = this.random.pick(["memory", "file", "both"]);
    if (what !== "file") target.fingerprint = STRANGER;
    if (what !== "memory") target.file.fingerprint = STRANGER;
  }

  /** Verifiers observe endpoints, and deployers inspect targets, whenever they did so last. */
  async look(context: Context): Promise<void> {
    await store.certificates.update(this.certificate.name, { nextObservationAt: this.now });
    await observeDue(context, NO_SIGNAL);
    await store.deployments.inspectBy(this.certificate.name, this.now);
    await inspectDue(context, [], NO_SIGNAL);
  }

  /** Good weather, no more crashes: everything must come to an end by itself. */
  async settle(): Promise<void> {
    this.ca.failing = false;
    for (const target of this.targets.values()) {
      target.failing = false;
      target.lying = false;
    }
    const context = this.worker(null);
    await configure(context, NO_SIGNAL);
    for (let round = 0; round < 200; round++) {
      await planDue(context, NO_SIGNAL);
      await sweep(context, NO_SIGNAL);
      const jobs = this.jobs;
      this.jobs = [];
      for (const job of jobs) await this.run(context, job);
      for (const work of this.begun.splice(0)) await work();
      if ((await store.renewals.active(this.certificate.name)) === null) await this.look(context);
      const active = await store.renewals.active(this.certificate.name);
      const record = await store.certificates.get(this.certificate.name);
      // After a person has put an earlier pair back, what is configured meanwhile waits for a day.
      const waits = record === null || record.failures > 0 || (record.nextAttemptAt ?? 0) > this.now;
      if (active === null && !waits && (record.nextCheckAt ?? 0) > this.now) return;
      // A first pair that is held waits for a person for ever; any other ends its hold by itself.
      if (active?.state === "held" && (await store.versions.before(this.certificate.name, active.generation)) === null)
        await resumeRenewal(context, { of: active.id, why: null, by: "model" });
      // A held one is looked at every hour, for as long as the pair before is good.
      const nextAt = active?.state === "held" ? this.now + DAY_MS : (active?.nextActionAt ?? record?.nextCheckAt ?? 0);
      this.now = Math.max(this.now + 1_000, Math.min(nextAt, this.now + DAY_MS));
      // A quarantine after a crash loop waits for a person.
      if (record?.pausedAt !== null)
        await store.certificates.update(this.certificate.name, { pausedAt: null, nextCheckAt: this.now });
    }
    expect.unreachable(`seed did not settle: ${JSON.stringify(await store.renewals.active(this.certificate.name))}`);
  }

  async invariants(): Promise<void> {
    const { name } = this.certificate;
    const active = await store.renewals.active(name);
    if (active !== null) expect(active.nextActionAt, "an active renewal always has a next action").not.toBeNull();
    const record = await store.certificates.get(name);
    // In quarantine with nothing that could expire it waits for a person.
    const waits = record?.pausedAt != null && (await store.versions.latest(name)) === null;
    if (active === null && !waits)
      expect(record?.nextCheckAt, "an idle certificate is always looked at again").not.toBeNull();
    for (const target of this.targets.values())
      expect(target.wentBack, "no target ever got an older generation").toBe(false);
    expect(this.bugs, "nothing is thrown but by what was made to fail").toEqual([]);
    expect(this.premature, "the second wave gets nothing before the first is proved").toEqual([]);
    expect(this.ca.needlessOrders, "no second order while the first could be used").toBe(0);
    const version = await store.versions.latest(name);
    if (version?.verifiedAt != null && version.verifiedAt !== this.verified?.verifiedAt) {
      this.verified = version;
      // What somebody wrote over a wave that was proved already is found by the next look.
      for (const target of this.targets.values())
        expect([version.leaf.fingerprint, STRANGER], "verified means served").toContain(target.fingerprint);
    }
    expect(this.ca.issuedTwice, "one certificate per generation").toBe(false);
  }
}

/** Events of all runs, to see that they went where they should go. */
const happened = new Map<EventType, number>();

export interface ModelBench {
  /** The database's name, for people. */
  readonly on: string;
  readonly open: () => Promise<{ readonly store: Store; readonly close: () => Promise<void> }>;
  /** How many seeds are run. */
  readonly runs: number;
  readonly firstSeed?: number;
}

export function modelTests({ on, open, runs, firstSeed = 1 }: ModelBench): void {
  const count = Number(process.env.RENEWD_MODEL_RUNS ?? runs);
  const first = Number(process.env.RENEWD_MODEL_SEED ?? firstSeed);
  let close: () => Promise<void>;
  beforeAll(async () => {
    ({ store, close } = await open());
  });
  afterAll(() => close());

  describe(`renewals under random crashes, lost and doubled jobs, on ${on}`, () => {
    it.each(Array.from({ length: count }, (_, index) => first + index))(
      "seed %i converges and never issues twice or goes back",
      async (seed) => {
        const world = new World(seed);
        await configure(world.worker(null), NO_SIGNAL);
        await planDue(world.worker(null), NO_SIGNAL);
        // Most begin with a pair that is live, so that there is something to keep and to go back to.
        if (seed % 4 > 0) await world.settle();
        for (let step = 0; step < STEPS; step++) {
          await world.step();
          await world.invariants();
        }
        await world.settle();
        await world.invariants();
        const version = await store.versions.latest(world.certificate.name);
        for (const target of world.targets.values())
          expect([target.fingerprint, target.file.fingerprint]).toEqual(Array(2).fill(version?.leaf.fingerprint));
        expect(version?.leaf.identifiers, "a change is never forgotten").toEqual(world.certificate.identifiers);
        expect(version?.verifiedAt, "only handshakes make it succeed").not.toBeNull();
        const ended = await store.renewals.list({ certificate: world.certificate.name, limit: 100 });
        expect(ended.filter(({ state }) => isActive(state))).toEqual([]);
        for (const { type } of await store.events.list({ certificate: world.certificate.name, limit: 10_000 }))
          happened.set(type, (happened.get(type) ?? 0) + 1);
      },
    );

    // Whoever replays a few seeds asks nothing of all of them together.
    if (count >= 40) {
      it("went everywhere", () => {
        for (const type of ["held", "resumed", "rolledBack", "cancelled", "failed", "succeeded"] as const)
          expect(happened.get(`renewal.${type}`) ?? 0, type).toBeGreaterThan(5);
        expect(happened.get("version.reinstated")).toBeGreaterThan(5);
      });
    }
  });
}
