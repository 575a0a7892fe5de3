import type { AlertState } from "../../domain/alert.ts";
import type { AlertSettings } from "../../domain/alertSettings.ts";
import type { Endpoint } from "../../domain/endpoint.ts";
import { toRenewalError } from "../../domain/errors.ts";
import { ACTIVE_STATES, type Renewal } from "../../domain/renewal.ts";
import { NAMES_MAX } from "../../domain/store.ts";
import { IMPORTED, type Version } from "../../domain/version.ts";
import type { Context } from "../context.ts";
import { type CertificateFacts, type Fault, faultOf, NOWHERE } from "../rules/alerts/faults.ts";
import { unansweredFault } from "../rules/exercise.ts";
import { horizonFault } from "../rules/horizon.ts";
import { lostProcessFaults } from "../rules/lostProcesses.ts";
import { peerFault } from "../rules/peers.ts";
import { isWatchedOnly, servedInUse } from "../rules/served.ts";
import { silentVantages, vantageAdvice } from "../rules/vantages.ts";
import { FORGOTTEN_ADVICE, FORGOTTEN_MS, forgottenText } from "../rules/watched.ts";
import { expiryWarningAt } from "../rules/window.ts";

/** A channel that has failed this often in a row does not come back by itself soon. */
const CHANNEL_FAILURES = 3;
/** Among so many, one was not cancelled. */
const EXERCISES_MAX = 24;

/** Certificates whose records say that something is wrong. */
export async function troubled({ store }: Pick<Context, "store">): Promise<string[]> {
  const records = await store.certificates.list();
  const behind = records.filter(
    ({ failures, planErrorCode, rehearsalProblem, removedAt }) =>
      removedAt === null && (failures > 0 || planErrorCode !== null || rehearsalProblem !== null),
  );
  const held = await store.renewals.list({ states: ["held"], limit: NAMES_MAX });
  const statuses = await store.observations.allStatuses();
  const unproved = statuses.filter(({ proved, errorCode }) => !proved && errorCode !== null);
  return [...behind.map(({ name }) => name), ...[...held, ...unproved].map(({ certificate }) => certificate)];
}

/** What is wrong with these certificates; nothing is said of those that are right, or left the configuration. */
export async function judgeCertificates(
  context: Context,
  names: readonly string[],
  signal: AbortSignal,
): Promise<Fault[]> {
  const { settings, clock, log } = context;
  const found: Fault[] = [];
  for (let from = 0; from < names.length; from += NAMES_MAX) {
    signal.throwIfAborted();
    for await (const facts of factsOf(context, names.slice(from, from + NAMES_MAX))) {
      try {
        const fault = faultOf(facts, settings.alerts, settings, clock.now());
        if (fault !== null) found.push(fault);
      } catch (thrown) {
        log.error({ certificate: facts.certificate.name, err: toRenewalError(thrown) }, "not judged for alerts");
      }
    }
  }
  return found;
}

async function* factsOf(
  { store, services, clock }: Context,
  names: readonly string[],
): AsyncGenerator<CertificateFacts> {
  const records = await store.certificates.list(names);
  const renewals = await store.renewals.list({ certificates: names, states: ACTIVE_STATES, limit: NAMES_MAX });
  const active = new Map(renewals.map((renewal) => [renewal.certificate, renewal]));
  const deployments = Map.groupBy(await store.deployments.listAll(names), ({ certificate }) => certificate);
  const exercises = await store.exercises.running();
  const statuses = Map.groupBy(await store.observations.allStatuses(names), ({ certificate }) => certificate);
  const versionsOf = await versionReader({ store }, names);
  for (const record of records) {
    const certificate = services.certificate(record.name);
    if (certificate === null) continue;
    const versions = await versionsOf(record.name);
    const version = versions.at(-1) ?? null;
    const inUse =
      inUseOf(versions) ?? (isWatchedOnly(certificate, version) ? await seenOf({ store }, record.name) : null);
    yield {
      ...{ certificate, record, version, inUse },
      active: active.get(record.name) ?? null,
      last: await lastOf({ store }, record),
      deployments: deployments.get(record.name) ?? [],
      endpoints: statuses.get(record.name) ?? [],
      isExercised: exercises.some(({ certificate: of, brokenAt }) => of === record.name && brokenAt !== null),
      whyExpiring: await whyExpiring({ store }, record.name, inUse, clock.now()),
    };
  }
}

/** Where the latest version is in use, as almost always, the others are not read. */
async function versionReader(
  { store }: Pick<Context, "store">,
  names: readonly string[],
): Promise<(name: string) => Promise<readonly Version[]>> {
  const unreadable = new Set<string>();
  const found = await store.versions.listLatest(({ certificate }) => void unreadable.add(certificate), names);
  const latest = new Map(found.map((version) => [version.certificate, version]));
  return async (name) => {
    const version = latest.get(name);
    if (version === undefined && !unreadable.has(name)) return [];
    return version !== undefined && isInUse(version) ? [version] : store.versions.list(name);
  };
}

function isInUse({ verifiedAt, issuer }: Version): boolean {
  return verifiedAt !== null || issuer === IMPORTED;
}

/** What clients get: a newer pair may wait for its deployment. An imported one is in use before it is proved. */
function inUseOf(versions: readonly Version[]): Version | null {
  return versions.findLast(isInUse) ?? versions.at(-1) ?? null;
}

/** What others renew: the certificate that its endpoints served last. */
async function seenOf({ store }: Pick<Context, "store">, name: string): Promise<CertificateFacts["inUse"]> {
  const leaf = servedInUse((await store.observations.observations(name)).map(({ observation }) => observation));
  return leaf && { leaf };
}

async function lastOf(
  { store }: Pick<Context, "store">,
  { name, failures }: { readonly name: string; readonly failures: number },
): Promise<Renewal | null> {
  return failures === 0 ? null : ((await store.renewals.list({ certificate: name, limit: 1 }))[0] ?? null);
}

/** As the planner said when it warned. */
async function whyExpiring(
  { store }: Pick<Context, "store">,
  certificate: string,
  inUse: CertificateFacts["inUse"],
  now: number,
): Promise<string | null> {
  if (inUse === null || now < expiryWarningAt(inUse.leaf)) return null;
  const [warning] = await store.events.list({ certificate, types: ["certificate.expiring"], limit: 1 });
  const why = warning?.detail.why;
  return typeof why === "string" ? why : null;
}

/** What is wrong with renewd's own ways to be heard. */
export async function standingFaults(
  { store, services, clock }: Pick<Context, "store" | "services" | "clock">,
  settings: AlertSettings,
  { selfTests }: AlertState,
): Promise<Fault[]> {
  const { heartbeat, thresholds } = settings;
  const channels = services.channels();
  const cursors = (await store.cursors.list()).filter(({ channel }) => channels.has(channel));
  const failing = cursors.flatMap(({ channel, failures, lastErrorMessage }): (readonly [string, string])[] => {
    if (failures >= CHANNEL_FAILURES)
      return [[channel, `has failed ${failures} times in a row: ${lastErrorMessage ?? ""}`]];
    if (failures === 0 && lastErrorMessage !== null)
      return [[channel, `did not take a message, which was given up: ${lastErrorMessage}`]];
    const error = selfTests[channel]?.error ?? null;
    return error === null ? [] : [[channel, `has failed its self-test: ${error}`]];
  });
  const looking = services.certificates().flatMap(({ endpoints }) => endpoints.filter(isOfVantage));
  const watching = (services.watched?.() ?? []).map(({ endpoint }) => endpoint);
  const endpoints = [...looking, ...watching.filter(isOfVantage)];
  const beats = await store.health.beats();
  const failedPings = (heartbeat ? beats : [])
    .filter(({ stoppedAt }) => stoppedAt === null)
    .flatMap(({ problems }) => problems.filter(({ kind }) => kind === "heartbeat"));
  const forgotten = await store.watched.overdue(clock.now() - FORGOTTEN_MS);
  return [
    ...failing.map(
      ([channel, what]): Fault => ({
        ...ofRenewd("channel", channel),
        what: `channel ${channel} ${what}`,
        action: `Try it: \`renewd notify ${channel}\`. What waits for it is sent when it works again.`,
      }),
    ),
    ...[...silentVantages(endpoints, beats, clock.now())].map(
      (vantage): Fault => ({
        ...ofRenewd("vantageSilent", vantage),
        what: `no verifier of vantage ${vantage} runs: what is served there is unknown, and no renewal is proved`,
        action: vantageAdvice(vantage),
      }),
    ),
    ...(forgotten === null
      ? []
      : [
          {
            ...ofRenewd("watchSilent", null),
            ...{ what: forgottenText(forgotten, clock.now()), action: FORGOTTEN_ADVICE },
          },
        ]),
    ...lostProcessFaults(beats, clock.now()),
    ...failedPings
      .slice(0, 1)
      .map(({ message, action }): Fault => ({ ...ofRenewd("heartbeat", null), what: message, action })),
    ...[unansweredFault(await store.exercises.list(EXERCISES_MAX), settings)].filter((fault) => fault !== null),
    ...(await store.peers.list()).flatMap((peer) => peerFault(peer) ?? []),
    ...(await store.horizon.list()).flatMap((entry) => horizonFault(entry, thresholds, clock.now()) ?? []),
  ];
}

function isOfVantage({ vantage }: Endpoint): boolean {
  return vantage !== undefined;
}

function ofRenewd(
  rule: "channel" | "heartbeat" | "vantageSilent" | "watchSilent",
  subject: string | null,
): Omit<Fault, "what" | "action"> {
  return {
    ...{ rule, certificate: null, place: { ...NOWHERE, subject }, code: null, severity: "page" },
    ...{ level: 0, isLast: false, expiresAt: null },
  };
}
