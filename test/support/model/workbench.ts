// The real verbs over a real store, beside a model CA and model targets, in a time that is ours.
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { unlimited } from "../../../src/domain/budget.ts";
import type { Certificate } from "../../../src/domain/certificate.ts";
import { RenewalError } from "../../../src/domain/errors.ts";
import type { Channel } from "../../../src/domain/notification.ts";
import type { Job } from "../../../src/domain/queue.ts";
import type { Renewal } from "../../../src/domain/renewal.ts";
import type { Store } from "../../../src/domain/store.ts";
import type { Context } from "../../../src/renewal/context.ts";
import { configure } from "../../../src/renewal/plan/configure.ts";
import { planDue } from "../../../src/renewal/plan/plan.ts";
import { DEFAULT_SETTINGS } from "../../../src/renewal/rules/settings.ts";
import { deploy, deployClaimed } from "../../../src/renewal/steps/deploy.ts";
import { issue } from "../../../src/renewal/steps/issue.ts";
import { sweep } from "../../../src/renewal/steps/sweep.ts";
import { verify, verifyClaimed } from "../../../src/renewal/steps/verify.ts";
import { configText, createInstallation, type Installation } from "../system/installation.ts";
import { Crash } from "./crashing.ts";
import { certificate } from "./facts.ts";
import { ModelCa, ModelTarget } from "./peers.ts";
import { seeded } from "./random.ts";

export const NO_SIGNAL = new AbortController().signal;
const TARGETS = ["a", "b"];
/** That answers. */
const PROCESS = 4_321;

/** A certificate at the model targets, behind an endpoint of each. */
export function modelCertificate(name: string, patch: Partial<Certificate> = {}): Certificate {
  const endpoints = TARGETS.map((target) => ({ host: target, port: 443, sni: `${name}.example.org`, target }));
  return certificate({
    name,
    targets: TARGETS,
    endpoints,
    identifiers: [{ type: "dns", value: `${name}.example.org` }],
    digest: `digest-${name}`,
    ...patch,
  });
}

export class Workbench implements AsyncDisposable {
  /** This machine's clock. */
  now = Date.UTC(2026, 0, 1);
  /** The kernel shows that each target's process alone answers, as it does for HAProxy on this machine. */
  answersAlone = false;
  /** Workers of this process have room for what follows, as those of `renewd run` have while little is due. */
  hasRoom = false;
  /** Whether the guard finds the clock wrong. */
  skewed = false;
  certificates: readonly Certificate[];
  readonly channels = new Map<string, Channel>();
  readonly jobs: Job[] = [];
  /** What workers of this process claimed with the outcome of the step before. */
  readonly begun: (() => Promise<void>)[] = [];
  readonly targets = new Map(TARGETS.map((name) => [name, new ModelTarget(seeded(1))]));
  readonly ca = new ModelCa(
    () => this.now,
    seeded(1),
    async () => "any",
  );
  readonly store: Store;
  readonly context: Context;
  readonly #end: () => PromiseLike<void>;

  readonly #databaseFile: string;

  /** `renewd audit verify`, as a person runs it. */
  readonly audit: () => ReturnType<Installation["run"]>;

  private constructor(
    { directory, run }: Installation,
    store: Store,
    certificates: readonly Certificate[],
    end: () => PromiseLike<void>,
  ) {
    this.store = store;
    this.audit = () => run("audit", "verify");
    this.#databaseFile = join(directory, "data", "renewd.db");
    this.certificates = certificates;
    this.#end = end;
    this.context = this.#contextOf();
  }

  /** `store`: another database than its own SQLite file; `sql` and `audit` know nothing of it. */
  static async open(certificates: readonly Certificate[], store?: Store): Promise<Workbench> {
    const installation = await createInstallation(configText(["www"]), { planned: false });
    return new Workbench(installation, store ?? installation.store, certificates, () =>
      installation[Symbol.asyncDispose](),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end();
  }

  /** Another program writes to the database. */
  sql(statements: string): void {
    using database = new DatabaseSync(this.#databaseFile);
    database.exec(statements);
  }

  /** Applies the configuration and plans what is due. */
  async begin(): Promise<void> {
    await configure(this.context, NO_SIGNAL);
    await planDue(this.context, NO_SIGNAL);
  }

  run(job: Job): Promise<void> {
    if (job.kind === "issue") return issue(this.context, job.renewalId, NO_SIGNAL);
    if (job.kind === "deploy") return deploy(this.context, job.renewalId, job.target, NO_SIGNAL);
    return verify(this.context, job.renewalId, NO_SIGNAL);
  }

  /** Does every job, and those that follow from it, until none is left or the next is of this kind. */
  async work(until: Job["kind"] | null = null): Promise<void> {
    for (let job = this.jobs[0]; job !== undefined && job.kind !== until; job = this.jobs[0]) {
      this.jobs.shift();
      await this.run(job);
    }
  }

  /** As `work`, with so many jobs in flight at once, as the workers of a process have them; each does what it began. */
  async workTogether(inFlight: number): Promise<void> {
    while (this.jobs.length + this.begun.length > 0) {
      const begun = this.begun.splice(0, inFlight);
      const jobs = this.jobs.splice(0, inFlight - begun.length);
      await Promise.all([...begun.map((work) => work()), ...jobs.map((job) => this.run(job))]);
    }
  }

  /** Sweeps and does what was found, for this long. */
  async pass(durationMs: number, stepMs = 10_000): Promise<void> {
    for (const end = this.now + durationMs; this.now < end; ) {
      this.now += stepMs;
      await sweep(this.context, NO_SIGNAL);
      await this.work();
    }
  }

  target(name: string): ModelTarget {
    const found = this.targets.get(name);
    if (found === undefined) throw new Error(`there is no target ${name}`);
    return found;
  }

  async renewal(name: string): Promise<Renewal> {
    // Two of one instant have no order: the active one is the newest.
    const [last] = await this.store.renewals.list({ certificate: name, limit: 1 });
    const newest = (await this.store.renewals.active(name)) ?? last;
    if (newest === undefined) throw new Error(`nothing was planned for ${name}`);
    return newest;
  }

  #room<Claimed>(work: (context: Context, claimed: Claimed, signal: AbortSignal) => Promise<void>) {
    const begin = (claimed: Claimed) => void this.begun.push(() => work(this.context, claimed, NO_SIGNAL));
    return this.hasRoom ? { begin, leave: () => {} } : null;
  }

  #contextOf(): Context {
    const sleep = async (durationMs: number): Promise<void> => {
      // Several may sleep at the same time.
      const wakesAt = this.now + durationMs;
      await null;
      this.now = Math.max(this.now, wakesAt);
    };
    const clock = { now: () => this.now, monotonic: () => this.now, sleep };
    const target = (name: string): ModelTarget => this.target(name);
    return {
      store: this.store,
      queue: { enqueue: async (jobs) => void this.jobs.push(...jobs) },
      probe: {
        addresses: async ({ host }) => [host],
        observe: async ({ host, port, sni, server }, address, expected) => {
          const good = expected !== null && target(host).fingerprint === expected.leaf.fingerprint;
          const problem = good ? null : { code: "verify.stale" as const, message: "another pair" };
          const seen = { address, port, sni, at: this.now, durationMs: 1, served: null, problem };
          return server === undefined ? seen : { ...seen, byServer: true };
        },
        attested: () => 1,
      },
      services: {
        certificates: () => this.certificates,
        certificate: (name) => this.certificates.find((each) => each.name === name) ?? null,
        issuer: () => this.ca.issuer(new Crash(null)),
        issuerNames: () => this.certificates.flatMap(({ issuer, fallbacks }) => [issuer, ...fallbacks]),
        budget: unlimited,
        solver: () => ({ challengeType: "model", present: async () => {}, cleanUp: async () => {} }),
        solvers: () => [],
        deployer: (name) => ({
          ...target(name).deployer(new Crash(null)),
          ...(this.answersAlone && { server: async () => PROCESS }),
        }),
        limits: () => ({}),
        responsibility: () => null,
        reloads: () => false,
        rehearsal: (name) => ({ issuer: null, budget: unlimited(name) }),
        ownCsr: () => null,
        hasAgent: () => false,
        places: () => [],
        channels: () => this.channels,
      },
      isVerifier: true,
      rooms: { deploy: () => this.#room(deployClaimed), verify: () => this.#room(verifyClaimed) },
      clock,
      clockGuard: {
        check: async () => {
          if (this.skewed) throw new RenewalError("clock.skewed", "this machine's clock is wrong");
        },
      },
      log: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
      settings: {
        ...DEFAULT_SETTINGS,
        proof: { connections: 1, spreadMs: 0 },
        alerts: { ...DEFAULT_SETTINGS.alerts, openAfterMs: 0 },
      },
    };
  }
}
