import { describe, expect, it } from "vitest";
import { appliedFleet } from "../../src/compose/appliedFleet.ts";
import { checkFleet, type FleetChecked } from "../../src/compose/checkFleet.ts";
import { unlimited } from "../../src/domain/budget.ts";
import type { Certificate } from "../../src/domain/certificate.ts";
import { ROLES } from "../../src/domain/role.ts";
import type { Store } from "../../src/domain/store.ts";
import { pause } from "../../src/renewal/operator/pause.ts";
import { resumeCertificate } from "../../src/renewal/operator/retry.ts";
import { configure } from "../../src/renewal/plan/configure.ts";
import { warnOfExpiry } from "../../src/renewal/plan/expiry.ts";
import { planDue } from "../../src/renewal/plan/plan.ts";
import { inspectDue } from "../../src/renewal/watch/inspect.ts";
import { observeDue } from "../../src/renewal/watch/observe.ts";
import { type ConfiguredFleet, loadedFleet } from "../../src/reports/configured.ts";
import { fleetStatus } from "../../src/reports/fleetStatus.ts";
import { FleetView } from "../../src/reports/fleetView.ts";
import { type StatusReport, statusReport } from "../../src/reports/status.ts";
import { usesOf } from "../../src/reports/uses.ts";
import { appliedConfiguration, DAY_MS, heartbeat } from "../support/model/facts.ts";
import { changeWeather, ModelTarget } from "../support/model/peers.ts";
import { changedSomehow, decideSomething } from "../support/model/people.ts";
import { type Random, seeded } from "../support/model/random.ts";
import { modelCertificate, NO_SIGNAL, Workbench } from "../support/model/workbench.ts";

export const SIZE = 9;
const PART_SIZE = 3;
const RELEASE = "1.0.0";
const MINUTE_MS = 60_000;
const TIMES_MS = [
  ...([MINUTE_MS, MINUTE_MS, 5 * MINUTE_MS, 30 * MINUTE_MS] as const),
  ...([3 * 60 * MINUTE_MS, 2 * DAY_MS, 20 * DAY_MS] as const),
] as const;

/** Each behind a target of its own; some have no endpoint. */
function certificateOf(name: string, hasEndpoint: boolean): Certificate {
  const endpoints = hasEndpoint ? [{ host: name, port: 443, sni: `${name}.example.org`, target: name }] : [];
  return modelCertificate(name, { targets: [name], endpoints });
}

/** A planner, workers and people at a fleet that is large enough to be checked in parts. */
export class CheckedFleet implements AsyncDisposable {
  readonly bench: Workbench;
  readonly random: Random;
  /** Certificates that were shown without being read, and first pages without all of them. */
  readonly counts = { unread: 0, firstPages: 0 };
  /** Of the planner that checks. */
  release = RELEASE;
  #changes = 0;

  private constructor(bench: Workbench, random: Random) {
    this.bench = bench;
    this.random = random;
  }

  static async open(seed: number, store?: Store): Promise<CheckedFleet> {
    const certificates = Array.from({ length: SIZE }, (_, index) => certificateOf(`c${index}`, index % 3 !== 2));
    const bench = await Workbench.open(certificates, store);
    for (const { name } of certificates) bench.targets.set(name, new ModelTarget(seeded(seed)));
    const fleet = new CheckedFleet(bench, seeded(seed));
    await fleet.apply();
    await fleet.beat();
    await fleet.work();
    return fleet;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.bench[Symbol.asyncDispose]();
  }

  async apply(): Promise<void> {
    const { store, context, certificates } = this.bench;
    await configure(context, NO_SIGNAL);
    this.#changes += 1;
    await store.applied.record(
      appliedConfiguration({
        ...{ certificates: certificates.length, uses: usesOf(certificates), release: RELEASE },
        ...{ observeMs: context.settings.observeMs, sourceDigest: String(this.#changes) },
      }),
      certificates,
    );
  }

  async beat(): Promise<void> {
    const { store, now } = this.bench;
    await store.health.beat(ROLES.map((role) => heartbeat({ role, beatAt: now, usefulAt: now })));
  }

  async work(): Promise<void> {
    await planDue(this.bench.context, NO_SIGNAL);
    await this.bench.work();
  }

  async look(): Promise<void> {
    await observeDue(this.bench.context, NO_SIGNAL);
  }

  check(partsMax = Number.POSITIVE_INFINITY): Promise<number> {
    return this.checkInTurn({ partsMax });
  }

  checkInTurn(options: Partial<FleetChecked> = {}): Promise<number> {
    const { store, context } = this.bench;
    const { clock, clockGuard } = context;
    const size = { largeFleet: 1, partSize: PART_SIZE, share: 1 };
    return checkFleet(
      { store, clock, clockGuard, budget: unlimited, release: this.release, ...size, ...options },
      NO_SIGNAL,
    );
  }

  configured(): ConfiguredFleet {
    const { store, certificates } = this.bench;
    const facts = { certificates: certificates.length, uses: usesOf(certificates), release: RELEASE };
    const fleet = appliedFleet(store, facts, async () => loadedFleet(certificates));
    const named: ConfiguredFleet["named"] = async (names) => {
      const found = await fleet.named(names);
      this.counts.unread -= found.length;
      return found;
    };
    this.counts.unread += certificates.length;
    return { ...fleet, named };
  }

  /** As `renewd status` shows a large fleet, and as it shows the same fleet when every row is read. */
  async both(): Promise<readonly [StatusReport, StatusReport]> {
    const { store, certificates, now } = this.bench;
    const whole = await statusReport(store, certificates, now);
    return [await fleetStatus(store, this.configured(), now), whole];
  }

  /** As the first page after a start. */
  async firstPage(): Promise<StatusReport> {
    const { store, certificates, now } = this.bench;
    const view = new FleetView({
      ...{ store, certificates: () => certificates, options: () => ({}), now: () => now, smallFleet: 0 },
      release: async () => RELEASE,
    });
    const { status, unread } = await view.readSoon();
    if (unread !== null) this.counts.firstPages += 1;
    // It goes on behind.
    await view.read();
    return status;
  }

  async something(): Promise<string> {
    const { bench, random } = this;
    const { store, context } = bench;
    const name = random.pick(["c0", ...bench.certificates.map((each) => each.name)]);
    const deeds = {
      time: async () => {
        bench.now += random.pick(TIMES_MS);
      },
      work: () => this.work(),
      sweep: () => bench.pass(MINUTE_MS, 20_000),
      look: () => observeDue(context, NO_SIGNAL),
      inspect: () => inspectDue(context, [], NO_SIGNAL),
      warn: () => warnOfExpiry(context, NO_SIGNAL),
      check: () => this.check(random.below(9)),
      beat: () => this.beat(),
      weather: async () => changeWeather(bench.ca, bench.targets.values(), random),
      good: async () => {
        bench.ca.failing = false;
        for (const target of bench.targets.values()) Object.assign(target, { failing: false, lying: false });
      },
      stranger: async () => void Object.assign(bench.target(name), { fingerprint: "another" }),
      person: () => decideSomething(context, random, name),
      pause: () => pause(store, { certificate: name, reason: "x", until: bench.now + DAY_MS }, bench.now),
      resume: () => resumeCertificate(context, { of: name, why: null, by: "model" }),
      edit: () => this.#edit(name),
      removeOrAdd: () => this.#removeOrAdd(),
    };
    // Its own keys, and there are some.
    const kinds = Object.keys(deeds) as [keyof typeof deeds];
    const kind: keyof typeof deeds = random.chance(0.5)
      ? random.pick(["time", "work", "look", "check"] as const)
      : random.pick(kinds);
    await deeds[kind]();
    return `${kind} ${name}`;
  }

  async #edit(name: string): Promise<void> {
    this.bench.certificates = this.bench.certificates.map((each) =>
      each.name === name ? changedSomehow(each, this.random, this.#changes) : each,
    );
    await this.apply();
  }

  async #removeOrAdd(): Promise<void> {
    const { bench } = this;
    const name = `c${this.random.below(SIZE)}`;
    const others = bench.certificates.filter((each) => each.name !== name);
    bench.certificates =
      others.length < bench.certificates.length ? others : [...others, certificateOf(name, this.random.chance(0.7))];
    await this.apply();
  }
}

/** The real verbs over the real store: whatever happens, a part of the fleet that is not read is as it would be read. */
export function fleetStatusTests({
  on,
  runs,
  steps,
  open,
}: {
  readonly on: string;
  readonly runs: number;
  readonly steps: number;
  /** Left out: each run has an SQLite file of its own. */
  readonly open?: () => Promise<{ readonly store: Store; readonly close: () => Promise<void> }>;
}): void {
  describe(`status of a large fleet on ${on}`, () => {
    let firstPages = 0;
    it.each(Array.from({ length: runs }, (_, seed) => seed))(
      "equals a full reading after every step (seed %i)",
      async (seed) => {
        const opened = await open?.();
        try {
          await using fleet = await CheckedFleet.open(seed, opened?.store);
          const done: string[] = [];
          for (let step = 0; step < steps; step++) {
            done.push(await fleet.something());
            const [some, whole] = await fleet.both();
            const last = done.slice(-8).join(", ");
            expect({ last, ...withoutChecked(some) }).toEqual({ last, ...withoutChecked(whole) });
            const first = await fleet.firstPage();
            expect({ last, ...withoutChecked(first) }).toEqual({ last, ...withoutChecked(whole) });
          }
          // Of nine, three with the oldest proofs are read in any case, and long spans are believed of none.
          expect(fleet.counts.unread).toBeGreaterThan(steps / 4);
          firstPages += fleet.counts.firstPages;
        } finally {
          await opened?.close();
        }
      },
      120_000,
    );

    // In some of the random walks the fleet is never quiet enough for it.
    it("had first pages that were shown before all was read", () => expect(firstPages).toBeGreaterThan(0));
  });
}

export function withoutChecked({ summary, ...report }: StatusReport) {
  return { ...report, summary: { ...summary, checkedSince: null } };
}
