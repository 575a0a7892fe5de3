import type { Hono } from "hono";
import type { RenewalWish, RequestOutcome } from "../../../src/actions/context.ts";
import { openContext, withoutQueue } from "../../../src/compose/index.ts";
import { webContext } from "../../../src/compose/web.ts";
import { toRenewalError } from "../../../src/domain/errors.ts";
import type { Store } from "../../../src/domain/store.ts";
import type { Context } from "../../../src/renewal/context.ts";
import { requestRenewal } from "../../../src/renewal/plan/request.ts";
import { createApp } from "../../../src/web/app.ts";
import { createCode } from "../../../src/web/auth/session.ts";
import { ensureToken, tokenFile } from "../../../src/web/auth/tokenFile.ts";
import type { WebContext, WebEnv } from "../../../src/web/context.ts";
import { configText, createInstallation, type Installation } from "./installation.ts";

/** The web role's app over a real database, called as a function: no port, no Redis. */
export interface WebEstate extends AsyncDisposable {
  readonly app: Hono<WebEnv>;
  readonly web: WebContext;
  readonly store: Store;
  readonly installation: Installation;
  readonly token: string;
  /** With the token of `api.token`, unless `init` has other credentials. */
  ask(path: string, init?: RequestInit): Promise<Response>;
  /** As a browser that was signed in by a link; gives the `cookie` header. */
  signIn(actor?: string): Promise<string>;
}

async function recordRequest(
  context: Context,
  certificate: string,
  { force, reason, by, idOf }: RenewalWish,
): Promise<RequestOutcome> {
  try {
    const request = { certificate, force, reason, requestedBy: by, id: idOf?.(certificate) ?? null };
    const { renewalId, hurried } = await requestRenewal(context, request);
    return { kind: "started", certificate, renewalId, via: "database", hurried };
  } catch (thrown) {
    return { kind: "refused", certificate, error: toRenewalError(thrown) };
  }
}

export const WEB_ORIGIN = "http://127.0.0.1:8280";

const silent = { debug() {}, info() {}, warn() {}, error() {} };

export interface WebEstateOptions {
  readonly names?: readonly string[];
  /** Further sections of the configuration; with `redis` in it the queue is used. */
  readonly sections?: Readonly<Record<string, unknown>>;
  readonly planned?: boolean;
}

export type CreateWebEstate = (options?: WebEstateOptions) => Promise<WebEstate>;

export async function createWebEstate({
  names = ["www", "api"],
  sections = {},
  planned = true,
}: WebEstateOptions = {}): Promise<WebEstate> {
  const text = JSON.stringify({ ...JSON.parse(configText(names)), ...sections });
  const installation = await createInstallation(text, { planned });
  const app = await openContext(installation.configFile, { log: silent });
  const { context, redis, config } = app;
  await ensureToken(tokenFile(config.dataDir));
  const hasRedis = "redis" in sections;
  const renewal = hasRedis ? context : withoutQueue(context);
  const web: WebContext = {
    ...webContext({
      context: renewal,
      redis,
      config: () => config,
      observeMs: () => config.observation.everyMs,
      installation: await context.store.health.installation(),
    }),
    // What a test does in this process would count as work that readers must not delay.
    readers: { enter: async () => () => {}, isFull: () => false },
    // As while Redis is away, without finding out each time that it is.
    ...(!hasRedis && {
      requestRenewals: (certificates, wish) =>
        Promise.all(certificates.map((certificate) => recordRequest(renewal, certificate, wish))),
    }),
  };
  const served = createApp(web);
  const token = (await web.token()) ?? "";
  return {
    app: served,
    web,
    store: context.store,
    installation,
    token,
    async ask(path, init = {}) {
      const headers = new Headers(init.headers);
      if (!headers.has("authorization") && !headers.has("cookie")) headers.set("authorization", `Bearer ${token}`);
      return served.request(`${WEB_ORIGIN}${path}`, { ...init, headers });
    },
    async signIn(actor = "alice@web-1") {
      const code = await createCode(context, actor);
      const response = await served.request(`${WEB_ORIGIN}/sign-in?code=${code}`);
      return (response.headers.get("set-cookie") ?? "").split(";", 1)[0] ?? "";
    },
    async [Symbol.asyncDispose]() {
      web.events.close();
      await app.close();
      await installation[Symbol.asyncDispose]();
    },
  };
}
