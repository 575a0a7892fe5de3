import type { Hono } from "hono";
import type { Config } from "../config/config.ts";
import type { CaBudget } from "../domain/budget.ts";
import type { Certificate } from "../domain/certificate.ts";
import type { TargetLimits } from "../domain/deployer.ts";
import type { RenewalError } from "../domain/errors.ts";
import type { Context } from "../renewal/context.ts";
import type { Actor } from "./auth/actor.ts";
import type { EventFeed } from "./eventFeed.ts";

/** What the web role works with; compose fills it. Pages, API and metrics get the same. */
export interface WebContext {
  /** Store, services, clock, settings, log: what the verbs of `renewal/` take. */
  readonly renewal: Context;
  /** In force now; another one after a reload. */
  readonly config: () => Config;
  /** What reports take besides the store; ask again for each request. */
  readonly estate: () => Estate;
  /** Through the queue, or into the database while Redis is away: as `renewd renew`. One answer per name. */
  readonly requestRenewals: (
    names: readonly string[],
    wish: { readonly force: boolean; readonly reason: string | null; readonly by: string },
  ) => Promise<readonly RequestOutcome[]>;
  /** The history as it is written. */
  readonly events: EventFeed;
  /** Of renewd. */
  readonly version: string;
  /** Names this installation; not secret. */
  readonly installation: string;
  /** The token of `api.token`; null: there is none. */
  readonly token: () => Promise<string | null>;
}

export interface Estate {
  readonly certificates: readonly Certificate[];
  readonly budget: (issuer: string) => CaBudget;
  readonly limits: (target: string) => TargetLimits;
  readonly observeMs: number;
  /** Targets that only their own deployer deploys to. */
  readonly agentTargets: readonly string[];
}

export type RequestOutcome =
  | {
      readonly kind: "started";
      readonly certificate: string;
      readonly renewalId: string;
      readonly via: "queue" | "database";
      /** It was in flight and waited: its next attempt starts now. */
      readonly hurried?: boolean;
    }
  | { readonly kind: "refused"; readonly certificate: string; readonly error: RenewalError };

/** What every handler finds in its request. */
export interface WebEnv {
  readonly Variables: {
    /** Present wherever the guard lets nobody in without. */
    readonly actor: Actor;
  };
}

/** Routes of one part of the interface, mounted by `app.ts` behind the guard. */
export type WebRoutes = Hono<WebEnv>;
