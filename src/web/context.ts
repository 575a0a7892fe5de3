import type { Hono } from "hono";
import type { ActionContext } from "../actions/context.ts";
import type { Config } from "../config/config.ts";
import type { QueueDepth } from "../domain/queue.ts";
import type { Actor } from "./auth/actor.ts";
import type { EventFeed } from "./eventFeed.ts";

/** What the web role works with; compose fills it. Pages, API and metrics get the same. */
export interface WebContext extends ActionContext {
  /** In force now; another one after a reload. */
  readonly config: () => Config;
  /** What waits in Redis. Throws `queue.unavailable` while Redis is away. */
  readonly queues: (signal: AbortSignal) => Promise<readonly QueueDepth[]>;
  /** The history as it is written. */
  readonly events: EventFeed;
  /** Of renewd. */
  readonly version: string;
  /** Names this installation; not secret. */
  readonly installation: string;
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
