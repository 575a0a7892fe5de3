import type { Certificate } from "../domain/certificate.ts";
import type { DrillScenario } from "../domain/drill.ts";
import type { EventType, HistoryEvent } from "../domain/event.ts";
import { isIgnored } from "../domain/inventory.ts";
import { latestVersions } from "../domain/latestVersions.ts";
import type { Severity } from "../domain/notification.ts";
import { NOBODY, type Responsibility } from "../domain/responsibility.ts";
import type { Store } from "../domain/store.ts";
import { DAY_MS } from "../domain/time.ts";
import { headline } from "../renewal/rules/alerts/messages.ts";
import { managementBy } from "../renewal/rules/unmanaged.ts";
import { drillsReport } from "./drills.ts";
import { type ExerciseEntry, exerciseEntry } from "./exercises.ts";
import { horizonReport } from "./horizon.ts";
import { iso } from "./instant.ts";

/** Of each list: a mail stays one that is read. */
const LISTED_MAX = 20;
/** As many as are ever looked at. */
const WATCHED_MAX = 10_000;
/** More in a week are begun by hand, one after another. */
const EXERCISES_MAX = 200;
const AHEAD_MS = 60 * DAY_MS;
export const WEEK_MS = 7 * DAY_MS;

/** `renewd report --week --json`. Instants are ISO 8601. Of each list the first 20; `count` says of how many. */
export interface WeekReport {
  readonly version: 1;
  /** What is open and what ends next is as of then. */
  readonly at: string;
  readonly from: string;
  /** Exclusive. */
  readonly until: string;
  readonly certificates: number;
  /** New versions, the newest first. */
  readonly renewed: { readonly count: number; readonly first: readonly WeekEntry[] };
  /** Renewals whose new version every endpoint served. */
  readonly proved: { readonly count: number; readonly first: readonly WeekEntry[] };
  readonly failed: { readonly count: number; readonly first: readonly WeekEntry[] };
  /** Latest versions that end within 60 days, or have ended. */
  readonly expiresNext: { readonly count: number; readonly first: readonly WeekExpiry[] };
  readonly alerts: { readonly count: number; readonly first: readonly WeekAlert[] };
  /** What else ends within 60 days, or has ended. */
  readonly horizon: { readonly count: number; readonly first: readonly WeekEnd[] };
  /** Begun in that week. */
  readonly drills: { readonly count: number; readonly first: readonly WeekDrill[] };
  /** Exercises begun in that week: how soon people acknowledged. */
  readonly exercises: { readonly count: number; readonly first: readonly ExerciseEntry[] };
  /** Certificates that discovery found, nobody manages and nobody has ignored; those that end first come first. */
  readonly unmanaged: { readonly count: number; readonly first: readonly WeekUnmanaged[] };
}

export interface WeekExpiry {
  readonly certificate: string;
  readonly expiresAt: string;
  readonly responsibility: Responsibility;
}

export interface WeekAlert {
  readonly alert: string;
  readonly severity: Severity;
  readonly what: string;
  readonly openedAt: string;
  readonly acknowledgedBy: string | null;
}

export interface WeekEnd {
  readonly subject: string;
  readonly what: string;
  readonly endsAt: string;
  readonly owner: string | null;
  readonly runbook: string | null;
}

export interface WeekDrill {
  readonly id: string;
  readonly scenario: DrillScenario;
  readonly startedAt: string;
  readonly certificates: number;
  readonly proved: number;
}

export interface WeekUnmanaged {
  readonly names: readonly string[];
  readonly expiresAt: string;
}

/** What each list of the report is. */
export interface Listed<Entry> {
  readonly count: number;
  readonly first: readonly Entry[];
}

export interface WeekEntry {
  readonly certificate: string;
  readonly at: string;
  /** Why it failed; else the generation. */
  readonly detail: string;
  /** null: it left the configuration. */
  readonly responsibility: Responsibility | null;
}

/** `until`: the end of the week, in ms since epoch. */
export async function weekReport(
  store: Store,
  certificates: readonly Certificate[],
  until: number,
  now: number,
): Promise<WeekReport> {
  const from = until - WEEK_MS;
  const responsibilityOf = responsibilitiesOf(certificates);
  const happened = async (type: EventType, detail: (event: HistoryEvent) => string): Promise<Listed<WeekEntry>> => {
    const filter = { types: [type], since: from, before: until };
    const events = await store.search.events(filter, { limit: LISTED_MAX, beforeSeq: null });
    return {
      count: await store.search.countEvents(filter),
      first: events.map((event) => ({
        ...{ certificate: event.certificate ?? "", at: iso(event.at), detail: detail(event) },
        responsibility: responsibilityOf(event.certificate ?? "") ?? null,
      })),
    };
  };
  const generation = ({ detail }: HistoryEvent): string => `generation ${String(detail.generation ?? "")}`;
  const { drills } = await drillsReport(store, null, now);
  return {
    ...{ version: 1, at: iso(now), from: iso(from), until: iso(until), certificates: certificates.length },
    renewed: await happened("version.issued", generation),
    proved: await happened("renewal.succeeded", generation),
    failed: await happened("renewal.failed", ({ detail }) => String(detail.message ?? detail.code ?? "")),
    ...(await standing(store, certificates, now)),
    exercises: listed(await exercisesIn(store, from, until)),
    drills: listed(
      drills
        .filter(({ startedAt }) => startedAt >= iso(from) && startedAt < iso(until))
        .map(({ id, scenario, startedAt, certificates: of, proved }) => ({
          ...{ id, scenario, startedAt, certificates: of, proved },
        })),
    ),
  };
}

async function exercisesIn(store: Store, from: number, until: number): Promise<ExerciseEntry[]> {
  const runs = await store.exercises.list(EXERCISES_MAX);
  return runs.filter(({ startedAt }) => startedAt >= from && startedAt < until).map(exerciseEntry);
}

type Standing = Pick<WeekReport, "expiresNext" | "alerts" | "horizon" | "unmanaged">;

async function standing(store: Store, certificates: readonly Certificate[], now: number): Promise<Standing> {
  const responsibilityOf = responsibilitiesOf(certificates);
  const ending: { readonly certificate: string; readonly notAfter: number }[] = [];
  const names = certificates.map(({ name }) => name).sort();
  for await (const { certificate, leaf } of latestVersions(store, undefined, names))
    if (leaf.notAfter <= now + AHEAD_MS) ending.push({ certificate, notAfter: leaf.notAfter });
  ending.sort((a, b) => a.notAfter - b.notAfter);
  const watched = (await store.watched.list({ limit: WATCHED_MAX })).filter(({ origin }) => origin === "configured");
  const places = watched.map(({ endpoint: { sni, host, port } }) => `${sni} ${host}:${port}`);
  const managementOf = managementBy(certificates, new Set(places));
  const unmanaged = (await store.inventory.list())
    .filter((entry) => managementOf(entry) === "unmanaged" && !isIgnored(entry, now))
    .toSorted((a, b) => a.certificate.notAfter - b.certificate.notAfter);
  const { ends } = await horizonReport(store, AHEAD_MS, now);
  return {
    expiresNext: listed(
      ending.map(({ certificate, notAfter }) => ({
        ...{ certificate, expiresAt: iso(notAfter) },
        responsibility: responsibilityOf(certificate) ?? NOBODY,
      })),
    ),
    alerts: listed(
      (await store.alerts.open()).map((alert) => ({
        ...{ alert: alert.id, severity: alert.severity, what: headline(alert), openedAt: iso(alert.openedAt) },
        acknowledgedBy: alert.acknowledgement === null ? null : (alert.acknowledgement.by ?? "somebody"),
      })),
    ),
    horizon: listed(
      ends.flatMap(({ subject, what, endsAt, owner, runbook }) =>
        endsAt === null ? [] : [{ subject, what, endsAt, owner, runbook }],
      ),
    ),
    unmanaged: listed(
      unmanaged.map(({ certificate: { names: of, notAfter } }) => ({ names: of, expiresAt: iso(notAfter) })),
    ),
  };
}

function listed<Entry>(all: readonly Entry[]): Listed<Entry> {
  return { count: all.length, first: all.slice(0, LISTED_MAX) };
}

function responsibilitiesOf(certificates: readonly Certificate[]): (name: string) => Responsibility | undefined {
  const known = new Map(certificates.map(({ name, responsibility }) => [name, responsibility]));
  return (name) => known.get(name);
}
