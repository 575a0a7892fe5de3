import type { Hono } from "hono";
import type { ActionContext } from "../actions/context.ts";
import type { Config } from "../config/config.ts";
import type { QueueDepth } from "../domain/queue.ts";
import type { Secret } from "../domain/secret.ts";
import type { SecretReference } from "../domain/secretReference.ts";
import type { Store } from "../domain/store.ts";
import type { AccountReport } from "../reports/account.ts";
import type { AuditReport } from "../reports/audit.ts";
import type { ChallengesReport } from "../reports/challenges.ts";
import type { CheckReport } from "../reports/check.ts";
import type { DoctorReport } from "../reports/doctor.ts";
import type { LeftoversReport } from "../reports/leftovers.ts";
import type { ServedDiffReport, ServedReport } from "../reports/served.ts";
import type { Actor } from "./auth/actor.ts";
import type { EventFeed } from "./eventFeed.ts";
import type { ReaderGate } from "./readerGate.ts";

/** What asks others than the database, or reads very much of it; compose knows whom. None of it touches a target. */
export interface Inquiries {
  audit(head: string | null, signal: AbortSignal): Promise<AuditReport>;
  doctor(signal: AbortSignal): Promise<DoctorReport>;
  check(certificate: string, signal: AbortSignal): Promise<CheckReport>;
  challenges(
    of: { readonly certificate: string | null; readonly own: boolean },
    signal: AbortSignal,
  ): Promise<ChallengesReport>;
  removeForeign(
    what: { readonly certificate: string; readonly value: string },
    signal: AbortSignal,
  ): Promise<readonly { readonly name: string; readonly value: string }[]>;
  leftovers(): Promise<LeftoversReport>;
  forgetLeftovers(store: Store): Promise<LeftoversReport>;
  account(issuer: string, signal: AbortSignal): Promise<AccountReport>;
  /** `at` null: every change. */
  served(of: { readonly address: string; readonly at: string | null }): Promise<ServedReport>;
  servedDiff(of: { readonly one: string; readonly other: string }): Promise<ServedDiffReport>;
}

/** What the web role works with; compose fills it. Pages, API and metrics get the same. */
export interface WebContext extends ActionContext {
  /** In force now; another one after a reload. */
  readonly config: () => Config;
  /** What waits in Redis. Throws `queue.unavailable` while Redis is away. */
  readonly queues: (signal: AbortSignal) => Promise<readonly QueueDepth[]>;
  readonly inquiries: Inquiries;
  /** The history as it is written. */
  readonly events: EventFeed;
  /** Keeps reading from taking the time of renewals. */
  readonly readers: ReaderGate;
  /** Of renewd. */
  readonly version: string;
  /** Names this installation; not secret. */
  readonly installation: string;
  /** Reads a secret as it is now. */
  readonly secret: (reference: SecretReference) => Promise<Secret>;
  /** The token of `api.token`; null: there is none. */
  readonly token: () => Promise<string | null>;
}

/** What every handler finds in its request. */
export interface WebEnv {
  readonly Variables: {
    /** Present wherever the guard lets nobody in without. */
    readonly actor: Actor;
  };
}

/** Routes of one part of the interface, mounted by `app.ts` behind the guard. */
export type WebRoutes = Hono<WebEnv>;
