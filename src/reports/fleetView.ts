import { setTimeout as delay, setImmediate as nextTurn } from "node:timers/promises";
import type { Certificate } from "../domain/certificate.ts";
import { NAMES_MAX, type Store } from "../domain/store.ts";
import { takingTurns } from "../domain/turns.ts";
import { loadedFleet } from "./configured.ts";
import { examineFleet } from "./examine.ts";
import { loadFleet, loadShared } from "./fleet.ts";
import { certificatesToRead } from "./fleetStatus.ts";
import { alertRows } from "./lists/alertList.ts";
import { causeRows } from "./lists/causeList.ts";
import { certificateList } from "./lists/certificateList.ts";
import { type CertificateRow, certificateRow } from "./lists/certificateRow.ts";
import { type DeploymentRow, deploymentList, deploymentRows } from "./lists/deploymentList.ts";
import { type EndpointRow, endpointList, endpointRows } from "./lists/endpointList.ts";
import { prepare } from "./lists/list.ts";
import { missingNeeds } from "./needs.ts";
import { progressIn, type ReplacementEntry, replacementEntry } from "./replacements.ts";
import { emptySnapshot, type Snapshot } from "./snapshot.ts";
import { type StatusOptions, statusOf } from "./status.ts";
import { type Examined, NO_REST, type Rest } from "./summary.ts";
import { usesOf } from "./uses.ts";

export interface ViewSource {
  readonly store: Store;
  /** Asked at each reading, so that a reload takes effect. */
  certificates(): readonly Certificate[];
  options(): StatusOptions;
  now(): number;
  /** Number of the newest event that is known of: what was read before it is old at any age. Default: none. */
  heard?(): number;
  /** Of the planner that has applied these very certificates; null: they are others. Default: nobody knows. */
  release?(): Promise<string | null>;
  /** Of a fleet of this size a request waits for a new reading. Default: 500. */
  readonly smallFleet?: number;
  /** How long a request waits for a new reading of a larger one. Default: 1 s. */
  readonly patienceMs?: number;
  /** Certificates between two turns of other work: the requests that arrive meanwhile. Default: 100. */
  readonly partSize?: number;
}

/** A reading that is younger than this is shown as it is. */
const FRESH_MS = 1_000;
/** Of a fleet of this size a request waits for a new reading; of a larger one it may get the last, which says its age. */
const SMALL_FLEET = 500;
/** A page that opens on the last reading would show it for a minute, with all that has happened since missing. */
const PATIENCE_MS = 1_000;
/** Reading takes at most this part of the time, however often pages are asked for. */
const DUTY_MAX = 1 / 10;
const PART_SIZE = 100;
const REPLACEMENTS_MAX = 20;
/** Where more of a large fleet must be read first, all of it is. */
const EARLY_PART_MAX = 1 / 2;

interface Rows {
  readonly certificate: CertificateRow;
  readonly endpoints: readonly EndpointRow[];
  readonly deployments: readonly DeploymentRow[];
}

/**
 * The fleet as pages, cards, API and metrics show it. It is read from the database in parts, so that a large fleet
 * keeps no request waiting, and says at which instant. Decides nothing: workers read the database themselves.
 */
export class FleetView {
  readonly #source: ViewSource;
  #current: Snapshot = emptySnapshot();
  #reading: Promise<Snapshot> | null = null;
  /** What is shown while the first reading goes on. */
  #early: Promise<Snapshot | null> | null = null;
  #nextAt = 0;

  /** What was not read again has the rows of before. */
  readonly #rows = new WeakMap<Examined, Rows>();

  readonly #partSize: number;

  constructor(source: ViewSource) {
    this.#source = source;
    this.#partSize = source.partSize ?? PART_SIZE;
  }

  /** The last reading, or a new one. Throws what the database throws when there is none to show. */
  async read(): Promise<Snapshot> {
    const now = this.#source.now();
    const heard = this.#source.heard?.() ?? 0;
    const isFresh = this.#current.at > 0 && now - this.#current.at < FRESH_MS;
    if (isFresh && this.#current.seq >= heard) return this.#current;
    if (this.#isSmall || this.#current.at === 0) {
      const found = await this.#refresh();
      // One that had begun before the event does not show it. Of a large fleet the next one would take as long.
      return found.seq >= heard || !this.#isSmall ? found : this.#refresh();
    }
    return this.#current.seq >= heard && performance.now() < this.#nextAt ? this.#current : this.#renewed();
  }

  /** The next reading if it can be had soon, else the last. */
  async #renewed(): Promise<Snapshot> {
    const patienceMs = this.#source.patienceMs ?? PATIENCE_MS;
    const waitMs = Math.max(0, this.#nextAt - performance.now());
    if (waitMs > patienceMs) return this.#current;
    const isOver = new AbortController();
    const next = (waitMs > 0 ? delay(waitMs) : Promise.resolve())
      .then(() => this.#refresh())
      .catch(() => {
        // The next request tries again.
        this.#current = { ...this.#current, isOutdated: true };
      })
      .finally(() => isOver.abort());
    await Promise.race([next, delay(patienceMs, undefined, { signal: isOver.signal }).catch(() => {})]);
    return this.#current;
  }

  /**
   * As `read`, but while a large fleet is read for the first time it answers with those of its certificates that are wrong,
   * in flight or changed lately, and sums of the others: see `Snapshot.unread`.
   */
  async readSoon(): Promise<Snapshot> {
    if (this.#current.at > 0 || this.#isSmall) return this.read();
    this.#early ??= this.#readEarly();
    const early = await this.#early.catch((thrown: unknown) => {
      this.#early = null;
      throw thrown;
    });
    const whole = this.read();
    if (early === null) return whole;
    // The next request meets it.
    whole.catch(() => {});
    return early;
  }

  /** These certificates have changed: a person who acted sees the effect on the page that answers. */
  async reread(names: readonly string[]): Promise<Snapshot> {
    // One that had begun before the change does not show it.
    if (this.#current.at === 0 || this.#isSmall) await this.#reading?.catch(() => {});
    if (this.#current.at === 0 || this.#isSmall) return this.#refresh();
    const wanted = new Set(names);
    const changed = this.#source.certificates().filter(({ name }) => wanted.has(name));
    this.#current = await this.#readParts(changed.slice(0, NAMES_MAX), this.#current);
    return this.#current;
  }

  get #isSmall(): boolean {
    return this.#source.certificates().length <= (this.#source.smallFleet ?? SMALL_FLEET);
  }

  #refresh(): Promise<Snapshot> {
    this.#reading ??= this.#readAll().finally(() => {
      this.#reading = null;
      this.#early = null;
    });
    return this.#reading;
  }

  /** null: nothing is gained by it. */
  async #readEarly(): Promise<Snapshot | null> {
    const { store, now } = this.#source;
    const certificates = this.#source.certificates();
    const fleet = { ...loadedFleet(certificates), release: (await this.#source.release?.()) ?? null };
    const some = await certificatesToRead(store, fleet, now(), this.#source.options());
    if (some === null || some.certificates.length > certificates.length * EARLY_PART_MAX) return null;
    return this.#readParts(some.certificates, null, some.rest);
  }

  async #readAll(): Promise<Snapshot> {
    const begun = performance.now();
    const found = await this.#readParts(this.#source.certificates(), null);
    const tookMs = performance.now() - begun;
    this.#nextAt = begun + tookMs / DUTY_MAX;
    this.#current = found;
    return found;
  }

  /** `known`: what stays as it is. `unread`: of those that are left out. */
  async #readParts(
    certificates: readonly Certificate[],
    known: Snapshot | null,
    unread: Rest | null = null,
  ): Promise<Snapshot> {
    const { store } = this.#source;
    const all = this.#source.certificates();
    const options = this.#source.options();
    const at = this.#source.now();
    const { agentTargets = [] } = options;
    const seq = known?.seq ?? (await store.events.list({ limit: 1 }))[0]?.seq ?? 0;
    const shared = await loadShared(store, all, at);
    const beats = await store.health.beats();
    const members = new Map((known?.examined ?? []).map((each) => [each.member.certificate.name, each.member]));
    for (let from = 0; from < certificates.length; from += this.#partSize) {
      const part = certificates.slice(from, from + this.#partSize);
      for (const member of await loadFleet(store, part, at, { ...options, shared }))
        members.set(member.certificate.name, member);
      await nextTurn();
    }
    const fleet = [...members.values()];
    const uses = usesOf(unread === null ? fleet.map(({ certificate }) => certificate) : all);
    const missing = missingNeeds({ beats, uses, agentTargets, now: at });
    const changed = certificates.flatMap(({ name }) => members.get(name) ?? []);
    const found = new Map(known?.byName);
    for (const each of await examineFleet(store, changed, missing, at)) found.set(each.member.certificate.name, each);
    const examined = all
      .toSorted((a, b) => (a.name < b.name ? -1 : 1))
      .flatMap(({ name }) => (members.has(name) ? (found.get(name) ?? []) : []));
    await nextTurn();
    const rest = unread ?? { ...NO_REST, checkedSince: known?.at ?? at };
    const status = await statusOf(store, { fleet: loadedFleet(all), uses, examined, beats, rest, now: at }, options);
    await nextTurn();
    return { ...(await this.#rowsOf(examined, status, known === null ? at : known.at)), seq, unread };
  }

  async #rowsOf(examined: readonly Examined[], status: Snapshot["status"], at: number): Promise<Snapshot> {
    const byName = new Map(examined.map((each) => [each.member.certificate.name, each]));
    const { entries, marks } = await this.#replacementsOf(byName, at);
    const troubles = new Map(status.problems.map((each) => [each.certificate, each]));
    const snapshot = emptySnapshot();
    const { responsibilityOf } = this.#source.options();
    const turn = takingTurns();
    for (const each of examined) {
      const { name } = each.member.certificate;
      const [trouble, mark] = [troubles.get(name), marks.get(name)];
      // Of what somebody may acknowledge, or replaces, more than its own reading is shown.
      const isPlain = trouble === undefined && mark === undefined;
      const rows = (isPlain ? this.#rows.get(each) : undefined) ?? {
        certificate: certificateRow(each, trouble, mark),
        endpoints: endpointRows(each),
        deployments: deploymentRows(each, responsibilityOf),
      };
      if (isPlain) this.#rows.set(each, rows);
      snapshot.certificates.push(rows.certificate);
      snapshot.endpoints.push(...rows.endpoints);
      snapshot.deployments.push(...rows.deployments);
      await turn();
    }
    await prepare(certificateList(at), snapshot.certificates, turn);
    await prepare(endpointList, snapshot.endpoints, turn);
    await prepare(deploymentList, snapshot.deployments, turn);
    const rows = new Map(snapshot.certificates.map((row) => [row.certificate, row]));
    await turn();
    return {
      ...snapshot,
      at,
      examined,
      byName,
      rows,
      status,
      replacements: entries,
      alerts: alertRows(status),
      causes: causeRows(rows, status, at),
    };
  }

  async #replacementsOf(byName: ReadonlyMap<string, Examined>, at: number) {
    const { store } = this.#source;
    const fleet = new Map([...byName].map(([name, { member }]) => [name, member]));
    const marks = new Map<string, string[]>();
    const entries: ReplacementEntry[] = [];
    for (const replacement of (await store.replacements.list()).slice(0, REPLACEMENTS_MAX)) {
      const members = await store.replacements.members(replacement.id);
      entries.push(await replacementEntry(store, replacement, fleet, at, members));
      const turn = takingTurns();
      for (const each of members) {
        await turn();
        const member = fleet.get(each.certificate);
        const known = marks.get(each.certificate) ?? [];
        marks.set(each.certificate, known);
        known.push(replacement.id);
        if (member !== undefined) known.push(`${replacement.id} ${progressIn(member, each, at)}`);
      }
    }
    return { entries, marks };
  }
}
