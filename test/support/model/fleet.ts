import { expect } from "vitest";
import { unlimited } from "../../../src/domain/budget.ts";
import type { Certificate } from "../../../src/domain/certificate.ts";
import type { Deployer } from "../../../src/domain/deployer.ts";
import { RenewalError } from "../../../src/domain/errors.ts";
import type { Issuer } from "../../../src/domain/issuer.ts";
import type { LogFields } from "../../../src/domain/log.ts";
import type { Job } from "../../../src/domain/queue.ts";
import { Secret } from "../../../src/domain/secret.ts";
import type { Store } from "../../../src/domain/store.ts";
import type { Context } from "../../../src/renewal/context.ts";
import { DEFAULT_SETTINGS } from "../../../src/renewal/rules/settings.ts";
import { deploy } from "../../../src/renewal/steps/deploy.ts";
import { issue } from "../../../src/renewal/steps/issue.ts";
import { verify } from "../../../src/renewal/steps/verify.ts";
import { configText, createInstallation } from "../system/installation.ts";
import { certificate, DAY_MS, NOW } from "./facts.ts";

const NO_SIGNAL = new AbortController().signal;

/**
 * Several processes over one real database and one queue, each with a configuration of its own, in a time that is ours.
 */
export class Fleet implements AsyncDisposable {
  now = NOW;
  jobs: Job[] = [];
  readonly warnings: string[] = [];
  /** Fingerprint that each target serves. */
  readonly served = new Map<string, string>();
  /** Targets that do not answer. */
  readonly failing = new Set<string>();
  /** `2 to lb`, in order. */
  readonly deployed: string[] = [];
  readonly store: Store;
  readonly #close: () => Promise<void>;
  /** Before a target takes a pair. */
  onDeploy: () => Promise<unknown> = async () => {};

  constructor(store: Store, close: () => Promise<void>) {
    this.store = store;
    this.#close = close;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#close();
  }

  /** A process that knows these certificates. */
  process(...certificates: readonly Certificate[]): Context {
    return {
      store: this.store,
      queue: { enqueue: async (jobs) => void this.jobs.push(...jobs) },
      probe: {
        addresses: async ({ host }) => [host],
        observe: async ({ host, port, sni }, address, expected) => {
          const good = this.served.get(host) === expected?.leaf.fingerprint;
          const problem = good ? null : { code: "verify.stale", message: `serves ${this.served.get(host)}` };
          return { address, port, sni, at: this.now, durationMs: 1, served: null, problem };
        },
      },
      services: {
        certificates: () => certificates,
        certificate: (name) => certificates.find((each) => each.name === name) ?? null,
        issuer: () => this.#issuer,
        issuerNames: () => ["ca"],
        budget: unlimited,
        solver: () => ({ challengeType: "http-01", present: async () => {}, cleanUp: async () => {} }),
        solvers: () => [],
        deployer: (target) => this.#deployer(target),
        limits: () => ({}),
        responsibility: () => null,
        reloads: () => false,
        rehearsal: (name) => ({ issuer: null, budget: unlimited(name) }),
        ownCsr: () => null,
        hasAgent: () => false,
        places: () => [],
        channels: () => new Map(),
      },
      clock: { now: () => this.now, monotonic: () => this.now, sleep: async () => {} },
      clockGuard: { check: async () => {} },
      log: {
        debug: () => {},
        info: () => {},
        warn: (_fields: LogFields, message) => void this.warnings.push(message),
        error: ({ err }) => expect.fail(String(err)),
      },
      settings: { ...DEFAULT_SETTINGS, proof: { connections: 1, spreadMs: 0 } },
    };
  }

  /**
   * The process takes one job after another from the queue, and what follows from them; it stops before the first of
   * kind `before`.
   */
  async work(context: Context, before?: Job["kind"]): Promise<void> {
    for (let job = this.jobs[0]; job !== undefined && job.kind !== before; job = this.jobs[0]) {
      this.jobs.shift();
      if (job.kind === "issue") await issue(context, job.renewalId, NO_SIGNAL);
      else if (job.kind === "deploy") await deploy(context, job.renewalId, job.target, NO_SIGNAL);
      else await verify(context, job.renewalId, NO_SIGNAL);
    }
  }

  readonly #issuer: Issuer = {
    issue: async ({ identifiers }) => {
      const serial = `${this.now}-${Math.random()}`;
      const leaf = {
        serial,
        fingerprint: `fingerprint ${serial}`,
        identifiers,
        notBefore: this.now,
        notAfter: this.now + 90 * DAY_MS,
      };
      return {
        leaf: { ...leaf, keyType: "ecdsa-p256", issuerName: "CA" },
        leafPem: "leaf",
        chainPem: [],
        privateKey: new Secret("key"),
      };
    },
  };

  #deployer(target: string): Deployer {
    return {
      deploy: async ({ pair }) => {
        await this.onDeploy();
        if (this.failing.has(target)) throw new RenewalError("deploy.unreachable", `${target} does not answer`);
        this.deployed.push(`${pair.generation} to ${target}`);
        this.served.set(target, pair.leaf.fingerprint);
        return { generation: pair.generation };
      },
    };
  }
}

export async function createFleet(): Promise<Fleet> {
  const installation = await createInstallation(configText([]), { planned: false });
  return new Fleet(installation.store, async () => installation[Symbol.asyncDispose]());
}

/** At targets `a` and `b`, each with its endpoint; `digest` tells its configurations apart. */
export function configured(digest: string, patch: Partial<Certificate> = {}): Certificate {
  const endpoints = ["a", "b"].map((target) => ({ host: target, port: 443, sni: "www.example.org", target }));
  return certificate({ targets: ["a", "b"], endpoints, digest, ...patch });
}
