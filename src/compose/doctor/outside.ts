import { RenewalError } from "../../domain/errors.ts";
import type { Store } from "../../domain/store.ts";
import { formatDuration, formatInstant } from "../../domain/time.ts";
import { concernText, preflight } from "../../renewal/steps/preflight.ts";
import type { DoctorCheck } from "../../reports/doctor.ts";
import { tryAllTargets } from "../surroundings.ts";
import { failed, failedWith, notChecked, passed, warning } from "./check.ts";
import type { Patient } from "./patient.ts";

const CAS_MAX = 16;
/** Sooner than the whole check ends, so that the CA is named that keeps it waiting. */
const DIRECTORY_MS = 15_000;
const CERTIFICATES_MAX = 8;

export interface CaAnswer {
  readonly issuer: string;
  readonly check: DoctorCheck;
  readonly witness: string;
  readonly aheadMs: number | null;
}

/** Each configured CA, asked for its directory as an order would ask, and for the time. */
export async function askCas({ config, services }: Patient, signal: AbortSignal): Promise<readonly CaAnswer[]> {
  if (config === null || services === null) return [];
  const issuers = [...config.issuers.values()].filter(({ distrusted }) => !distrusted).slice(0, CAS_MAX);
  return Promise.all(
    issuers.map(async ({ name, directory }) => {
      const subject = `issuer ${name}`;
      const witness = `the CA of ${subject}`;
      const bounded = AbortSignal.any([signal, AbortSignal.timeout(DIRECTORY_MS)]);
      let aheadMs: number | null = null;
      try {
        const issuer = services.issuer(name);
        aheadMs = (await issuer.clockAheadMs?.(bounded)) ?? null;
        await issuer.readDirectory?.(bounded);
        return { issuer: name, check: passed("ca", subject, `${directory} is its directory`), witness, aheadMs };
      } catch (thrown) {
        signal.throwIfAborted();
        const found = bounded.aborted ? silent(directory) : thrown;
        return { issuer: name, check: failedWith("ca", subject, found), witness, aheadMs };
      }
    }),
  );
}

function silent(directory: string): RenewalError {
  return new RenewalError("acme.timeout", `${directory} did not answer within ${formatDuration(DIRECTORY_MS)}`);
}

export interface NameCheck {
  /** Whose answer it is about; null: about a name or its DNS. */
  readonly issuer: string | null;
  readonly check: DoctorCheck;
}

/**
 * For each way in which certificates are ordered (issuer and solvers) one certificate, checked as before its order:
 * account, profile, CAA, rights at the DNS provider, delegation.
 */
export async function checkNames({ config, services }: Patient, signal: AbortSignal): Promise<NameCheck[]> {
  if (config === null || services === null) return [];
  const ways = Map.groupBy(config.certificates, ({ issuer, solvers }) => [issuer, ...solvers].join(" "));
  const chosen = [...ways.values()].flatMap(([first]) => first ?? []);
  const found = await Promise.all(
    chosen.slice(0, CERTIFICATES_MAX).map(async ({ issuer, ...rest }): Promise<NameCheck[]> => {
      const certificate = { ...rest, issuer };
      const subject = `certificate ${certificate.name}`;
      const fix = `\`renewd check ${certificate.name}\` shows all of it.`;
      const concerns = await preflight({ services }, certificate, { issuer, thorough: true }, signal);
      if (concerns.length === 0)
        return [{ issuer: null, check: passed("names", subject, "nothing found that would stop an order") }];
      return concerns.map((concern) => ({
        issuer: concern.check === "issuer" ? issuer : null,
        check: (concern.fatal ? failed : warning)("names", subject, concernText(concern), fix),
      }));
    }),
  );
  return found.flat();
}

export async function checkTargets({ config }: Patient, signal: AbortSignal): Promise<DoctorCheck[]> {
  if (config === null) return [];
  const tried = (await tryAllTargets(config, signal)).map(({ step, result, message, error }): DoctorCheck => {
    if (error !== null) return failedWith("targets", step, error);
    return result === "passed" ? passed("targets", step, message) : notChecked("targets", step, message);
  });
  const agents = [...config.targets].filter(([, { agent }]) => agent);
  return [
    ...tried,
    ...agents.map(([name]) =>
      notChecked("targets", `target ${name}`, "has an agent: run `renewd doctor` on its machine"),
    ),
  ];
}

/** What happened to the last notifications; nothing is sent. */
export async function checkChannels({ config, viewer }: Patient): Promise<DoctorCheck[]> {
  if (config === null) return [];
  if (config.notifications.size === 0)
    return [
      warning(
        "channels",
        "channels",
        "nobody is notified: no channel is configured",
        "Add one under `notifications`; `renewd channels` lists the kinds.",
      ),
    ];
  const names = [...config.notifications.keys()];
  if (!("store" in viewer)) return names.map((name) => notChecked("channels", `channel ${name}`, NO_DATABASE));
  const { store } = viewer;
  const cursors = new Map((await store.cursors.list()).map((cursor) => [cursor.channel, cursor]));
  const tries = await newestTries(store);
  return names.map((name) => {
    const subject = `channel ${name}`;
    const { failures = 0, lastErrorMessage = null } = cursors.get(name) ?? {};
    const last = tries.get(name);
    if (failures > 0)
      return badChannel(name, `failed ${failures} times in a row: ${lastErrorMessage ?? "no message was recorded"}`);
    if (last === undefined) return notChecked("channels", subject, `never tried; \`renewd notify ${name}\` tries it`);
    if (last.error !== null) return badChannel(name, `failed ${formatInstant(last.at)}: ${last.error}`);
    return passed("channels", subject, `took what was sent ${formatInstant(last.at)}`);
  });
}

const NO_DATABASE = "the database that says what was sent cannot be opened";
const TRIES_MAX = 500;

interface Try {
  readonly at: number;
  /** null: the channel took it. */
  readonly error: string | null;
}

/**
 * What each channel did with the newest that it was sent: an alert, its regular test, or one that a person asked for.
 */
async function newestTries({ alerts, events }: Store): Promise<ReadonlyMap<string, Try>> {
  const tests = await events.list({ types: ["channel.tested"], limit: TRIES_MAX });
  const tries: [string, Try][] = [
    ...Object.entries((await alerts.state()).selfTests),
    ...(await alerts.receipts({ limit: TRIES_MAX })).map(({ channel, at, outcome, error }): [string, Try] => [
      channel,
      { at, error: outcome === "sent" ? null : (error ?? "it was given up") },
    ]),
    ...tests.map(({ at, detail }): [string, Try] => [
      String(detail.channel),
      { at, error: detail.sent === true ? null : String(detail.message) },
    ]),
  ];
  return new Map(tries.toSorted(([, a], [, b]) => a.at - b.at));
}

function badChannel(name: string, message: string): DoctorCheck {
  const fix = `Fix it, then \`renewd notify ${name}\`.`;
  return { ...failed("channels", `channel ${name}`, message, fix), code: "notify.failed" };
}
