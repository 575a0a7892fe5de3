import type { Alert } from "../../domain/alert.ts";
import type { EventType, HistoryEvent } from "../../domain/event.ts";
import type { Store } from "../../domain/store.ts";
import { DAY_MS, formatDuration, formatInstant, MINUTE_MS } from "../../domain/time.ts";
import type { ConfiguredServices, Context } from "../context.ts";
import { causeOf, type Fault } from "../rules/alerts/faults.ts";
import type { Origin } from "../rules/alerts/judgeInput.ts";
import type { Signal } from "../rules/alerts/signals.ts";

/** Of a cause with many certificates, the events of so many are read. */
const SAMPLES_MAX = 20;
const EVENTS_MAX = 50;
/** What changed longer before has nothing to do with it, most likely. */
const BEFORE_MS = DAY_MS;
const CHANGES_MAX = 200;
const SHOWN_MAX = 5;

const BAD: readonly EventType[] = [
  "issue.failed",
  "deploy.failed",
  "verify.stale",
  "renewal.failed",
  "renewal.held",
  "renewal.rolledBack",
  "certificate.expiring",
  "certificate.unplannable",
];
const GOOD: readonly EventType[] = ["renewal.succeeded", "verify.converged", "certificate.plannable"];
const CHANGES: readonly EventType[] = ["config.reloaded", "definition.changed", "certificate.configured"];

interface Known {
  readonly open: readonly Alert[];
  readonly faults: readonly Fault[];
  readonly signals: readonly Signal[];
}

/** Of each cause that is new: when it began, and what changed then. */
export async function originsOf(
  { store, services }: { readonly store: Store; readonly services: ConfiguredServices },
  { open, faults, signals }: Known,
  now: number,
): Promise<ReadonlyMap<string, Origin>> {
  const known = new Set(open.map(({ cause }) => cause));
  const origins = new Map<string, Origin>();
  for (const [cause, group] of Map.groupBy(faults, causeOf)) {
    const [first] = group;
    if (known.has(cause) || first === undefined) continue;
    const names = group.flatMap(({ certificate }) => certificate ?? []).slice(0, SAMPLES_MAX);
    const began = await Promise.all(names.map((name) => firstBad(store, name, now)));
    const firstBadAt = Math.min(now, ...began);
    const issuer = first.place.issuer ?? issuerOf(services, names[0]);
    const about = { ...first.place, issuer, names, firstBadAt };
    origins.set(cause, { firstBadAt, changed: await changedBefore(store, about) });
  }
  for (const signal of signals) {
    const cause = causeOf({ ...signal, code: null });
    if (known.has(cause) || origins.has(cause) || signal.phase === "ends") continue;
    const names = signal.certificate === null ? [] : [signal.certificate];
    const about = { ...signal.place, names, firstBadAt: signal.at };
    origins.set(cause, { firstBadAt: signal.at, changed: await changedBefore(store, about) });
  }
  return origins;
}

function issuerOf({ certificate }: ConfiguredServices, name: string | undefined): string | null {
  return name === undefined ? null : (certificate(name)?.issuer ?? null);
}

/** The first failure since the certificate was last right. */
async function firstBad({ events }: Store, certificate: string, now: number): Promise<number> {
  const found = await events.list({ certificate, types: [...BAD, ...GOOD], limit: EVENTS_MAX });
  const since = found.slice(found.findLastIndex(({ type }) => GOOD.includes(type)) + 1);
  return since[0]?.at ?? now;
}

interface About {
  readonly issuer: string | null;
  readonly target: string | null;
  readonly names: readonly string[];
  readonly firstBadAt: number;
}

async function changedBefore({ events }: Store, about: About): Promise<string[]> {
  const { firstBadAt } = about;
  const found = await events.list({ types: CHANGES, since: firstBadAt - BEFORE_MS, limit: CHANGES_MAX });
  const before = found.filter(({ at }) => at <= firstBadAt + MINUTE_MS).reverse();
  const texts = before.flatMap((event) => {
    const text = changeText(event, about);
    return text === null ? [] : [{ text, at: event.at }];
  });
  // The newest of each: ten reloads are one.
  const newest = [...new Map(texts.toReversed().map((each) => [each.text, each])).values()].reverse();
  return newest.slice(0, SHOWN_MAX).map(({ text, at }) => {
    const before = firstBadAt > at ? `, ${formatDuration(firstBadAt - at)} before` : "";
    return `${text} (${formatInstant(at)}${before})`;
  });
}

function changeText({ type, detail, certificate }: HistoryEvent, { issuer, target, names }: About): string | null {
  if (type === "config.reloaded") return "the configuration was reloaded";
  if (type === "certificate.configured")
    return detail.change === "changed" && certificate !== null && names.includes(certificate)
      ? `the configuration of ${names.length === 1 ? certificate : "certificates behind it"} changed`
      : null;
  const what = String(detail.what);
  if (what === "renewd") return `renewd went from version ${detail.from} to ${detail.to}`;
  if (what === `issuer ${issuer}`) return `issuer ${issuer} went from ${detail.from} to ${detail.to}`;
  return what === `target ${target}` ? `the definition of target ${target} changed` : null;
}

type Definitions = Readonly<Record<string, string>>;
/** A configuration is replaced whole. */
const OF_CONFIGURATION = new WeakMap<object, Definitions>();

/** What failures are traced back to: directories of issuers, definitions of targets, and renewd's own version. */
export function definitionsOf({ services, settings }: Pick<Context, "services" | "settings">): Definitions {
  const certificates = services.certificates();
  const known = OF_CONFIGURATION.get(certificates);
  if (known !== undefined) return known;
  const issuers = services.issuerNames().map((name): [string, string] => {
    return [`issuer ${name}`, services.caAddress?.(name)?.directory ?? ""];
  });
  const targets = certificates.flatMap(({ targetDigests }) =>
    Object.entries(targetDigests).map(([name, digest]): [string, string] => [`target ${name}`, digest]),
  );
  const definitions = Object.fromEntries([["renewd", settings.alerts.version], ...issuers, ...targets]);
  OF_CONFIGURATION.set(certificates, definitions);
  return definitions;
}

/** Events for what is defined in another way than before. What is new changed nothing. */
export function changedDefinitions(before: Definitions, after: Definitions) {
  return Object.entries(after).flatMap(([what, to]) => {
    const from = before[what];
    return from === undefined || from === to
      ? []
      : [{ type: "definition.changed", detail: { what, from, to } } as const];
  });
}
