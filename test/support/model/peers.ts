import type { Deployer } from "../../../src/domain/deployer.ts";
import { RenewalError } from "../../../src/domain/errors.ts";
import type { Issuer } from "../../../src/domain/issuer.ts";
import { Secret } from "../../../src/domain/secret.ts";
import type { Leaf } from "../../../src/domain/version.ts";
import type { Crash } from "./crashing.ts";
import { DAY_MS } from "./facts.ts";
import type { Random } from "./random.ts";

interface ModelOrder {
  readonly key: string;
  finalized: boolean;
}

/**
 * A certificate authority reduced to what the order contract is about: orders that can be resumed, and a count of those
 * that were needless. It keeps the contract of `Issuer`: each step durable before the next.
 */
export class ModelCa {
  failing = false;
  /** Orders opened although the same renewal had already made one durable. */
  needlessOrders = 0;
  issuedTwice = false;
  lifetimeMs = 90 * DAY_MS;
  readonly #now: () => number;
  readonly #random: Random;
  readonly #orders = new Map<string, ModelOrder>();
  readonly #issued = new Set<string>();
  /** Renewals with a durable order. */
  readonly #durable = new Set<string>();
  readonly #activeRenewal: () => Promise<string>;

  constructor(now: () => number, random: Random, activeRenewal: () => Promise<string>) {
    this.#now = now;
    this.#random = random;
    this.#activeRenewal = activeRenewal;
  }

  /** Orders opened until now. */
  get orders(): number {
    return this.#orders.size;
  }

  issuer(crash: Crash): Issuer {
    return {
      issue: async ({ identifiers }, progress) => {
        const step = (): void => {
          crash.step();
          if (this.failing && this.#random.chance(0.5)) throw new RenewalError("acme.server", "the model CA is down");
        };
        const renewal = await this.#activeRenewal();
        const state = await progress.load();
        const key = state.privateKey ?? new Secret(`key-${this.#random.next()}`);
        let { orderUrl } = state;
        if (orderUrl === null) {
          step();
          if (this.#durable.has(renewal)) this.needlessOrders += 1;
          orderUrl = `order-${this.#orders.size}`;
          this.#orders.set(orderUrl, { key: key.reveal(), finalized: false });
          // It asks for no challenge: the order is ready at once.
          const state = { privateKey: key, orderUrl, csr: "csr" };
          await progress.save(state, { type: "order.created", detail: { order: orderUrl } });
          this.#durable.add(renewal);
        }
        const order = this.#orders.get(orderUrl);
        if (order === undefined || order.key !== key.reveal()) {
          this.needlessOrders += 1;
          throw new RenewalError("internal.bug", "the stored key and order do not belong together");
        }
        if (!order.finalized) {
          step();
          // One key is certified once: a second certificate of one generation would show as a second order for the same
          // key.
          if (this.#issued.has(order.key)) this.issuedTwice = true;
          this.#issued.add(order.key);
          order.finalized = true;
          progress.note({ type: "order.finalized", detail: { order: orderUrl } });
        }
        step();
        return {
          leaf: this.#leaf(order.key, identifiers),
          leafPem: `leaf of ${order.key}`,
          chainPem: ["chain"],
          privateKey: key,
        };
      },
    };
  }

  #leaf(key: string, identifiers: Leaf["identifiers"]): Leaf {
    const fingerprint = key.replace("key-", "fingerprint-");
    const notBefore = this.#now();
    return {
      serial: key,
      fingerprint,
      identifiers,
      notBefore,
      notAfter: notBefore + this.lifetimeMs,
      keyType: "ecdsa-p256",
      issuerName: "Model CA",
    };
  }
}

/**
 * A target that holds one pair and remembers whether it was ever sent back. Like a real one it may accept a pair and go
 * on serving the old.
 */
export class ModelTarget {
  failing = false;
  lying = false;
  /** What it serves from memory. */
  fingerprint: string | null = null;
  /** What it would serve after a restart. */
  readonly file: { fingerprint: string | null; keyMatches: boolean; problems: readonly string[] } = {
    fingerprint: null,
    keyMatches: true,
    problems: [],
  };
  /** Whether the last deploy was allowed to leave out the reload; null: there was none. */
  lastOnlyIfChanged: boolean | null = null;
  /** Every inspection. */
  inspections = 0;
  wentBack = false;
  /** Asked before each pair is taken. */
  onDeploy: (generation: number) => Promise<void> = async () => {};
  #generation = 0;
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  deployer(crash: Crash): Deployer {
    return {
      deploy: async ({ pair, onlyIfChanged = false }) => {
        crash.step();
        this.lastOnlyIfChanged = onlyIfChanged;
        if (this.failing && this.#random.chance(0.7))
          throw new RenewalError("deploy.unreachable", "the model target is down");
        await this.onDeploy(pair.generation);
        if (pair.generation < this.#generation) this.wentBack = true;
        this.#generation = pair.generation;
        if (!this.lying) this.fingerprint = pair.leaf.fingerprint;
        Object.assign(this.file, { fingerprint: pair.leaf.fingerprint, keyMatches: true });
        crash.step();
        return { generation: pair.generation };
      },
      inspect: async () => {
        crash.step();
        this.inspections += 1;
        if (this.failing && this.#random.chance(0.5))
          throw new RenewalError("deploy.unreachable", "the model target is down");
        return { ...this.file };
      },
    };
  }
}

/** Some fail from now on, and some say they have what they have not. */
export function changeWeather(ca: ModelCa, targets: Iterable<ModelTarget>, random: Random): void {
  ca.failing = random.chance(0.3);
  for (const target of targets) {
    target.failing = random.chance(0.3);
    target.lying = random.chance(0.4);
  }
}
