import type { RequestListener } from "node:http";
import { dirname } from "node:path";
import type { Config, WebConfig } from "../config/config.ts";
import { processEnvironment } from "../config/read/environment.ts";
import { readSecret } from "../config/read/readSecret.ts";
import { WEB_PORT } from "../config/schema/web.ts";
import { toRenewalError } from "../domain/errors.ts";
import { isLoopback } from "../domain/loopback.ts";
import { remembered } from "../domain/remember.ts";
import { DAY_MS, HOUR_MS } from "../domain/time.ts";
import { queueDepths } from "../queue/depths.ts";
import type { RedisOptions } from "../queue/options.ts";
import type { Context } from "../renewal/context.ts";
import { judgedEvery, observedFrom } from "../renewal/rules/proofAge.ts";
import { ensureToken, tokenFile, tokenReader } from "../web/auth/tokenFile.ts";
import type { Inquiries, WebContext } from "../web/context.ts";
import { createEventFeed } from "../web/eventFeed.ts";
import { createReaderGate } from "../web/readerGate.ts";
import { startWebServer, type WebServer } from "../web/server.ts";
import { packageVersion } from "./packageVersion.ts";
import { withHolder } from "./portHolder.ts";
import { repeat } from "./repeat.ts";
import { requestRenewals } from "./requestRenewals.ts";
import type { RoleSettings, RunningRole } from "./runningRole.ts";
import { forgetAddress, writeAddress } from "./webAddress.ts";
import { openWebPlace } from "./webPlace.ts";

const FORGET_TICK_MS = HOUR_MS;
const ANSWERS_KEPT_MS = DAY_MS;

/** Serves pages, API and metrics. What they are made of is loaded by the first request: `renewd run` stays lean. */
export async function startWeb(context: Context, redis: RedisOptions, initial: RoleSettings): Promise<RunningRole> {
  let config = initial.config;
  const { log, store, clock } = context;
  const { dataDir } = config;
  await ensureToken(tokenFile(dataDir));
  let observed = observedFrom(await store.applied.read(), config.observation.everyMs, clock.now());
  const web = webContext({
    ...{ context, redis, config: () => config, installation: await store.health.installation() },
    observeMs: () => judgedEvery(observed, clock.now()),
  });
  const listener = lateListener(web);
  const listen = async ({ host, port, tls, url }: WebConfig): Promise<WebServer> => {
    const server = await startWebServer({ host, port, tls, firstPort: WEB_PORT, listener, log }).catch(
      async (thrown: unknown) => {
        const error = toRenewalError(thrown);
        throw error.code === "web.address" && port !== null ? await withHolder(error, port) : thrown;
      },
    );
    await writeAddress(dataDir, server.url);
    if (tls === null && !isLoopback(host))
      log.warn({ host }, "web interface in clear text to other machines, as `web.insecure` says");
    log.info({ url: url ?? server.url }, "web interface: `renewd open` signs a browser in");
    return server;
  };
  const place = await openWebPlace(config.web, listen);
  const forgetting = repeat(
    FORGET_TICK_MS,
    async () => {
      await store.webAccess.forget(clock.now(), clock.now() - ANSWERS_KEPT_MS);
      initial.useful("web");
    },
    (thrown) => log.error({ err: toRenewalError(thrown) }, "expired sessions not forgotten"),
    "now",
  );
  return {
    async reloaded(next) {
      config = next.config;
      observed = observedFrom(observed, config.observation.everyMs, clock.now());
      await place.move(config.web);
    },
    async close() {
      web.events.close();
      await Promise.all([forgetting.close(), place.close(), forgetAddress(dataDir)]);
    },
  };
}

interface Parts {
  readonly context: Context;
  readonly redis: RedisOptions;
  readonly config: () => Config;
  /** The interval by which proofs are judged. */
  readonly observeMs: () => number;
  readonly installation: string;
}

export function webContext({ context, redis, config, observeMs, installation }: Parts): WebContext {
  const { services } = context;
  const agentTargets = (): string[] => [...config().targets].filter(([, { agent }]) => agent).map(([name]) => name);
  return {
    renewal: context,
    config,
    estate: () => ({
      certificates: services.certificates(),
      budget: services.budget,
      limits: services.limits,
      reloads: services.reloads,
      observeMs: observeMs(),
      agentTargets: agentTargets(),
    }),
    requestRenewals: (names, wish) => requestRenewals({ context, redis }, names, wish, () => {}),
    queues: (signal) => queueDepths(redis, { agentTargets: agentTargets(), vantages: config().vantages }, signal),
    inquiries: inquiriesOf(context, config),
    events: createEventFeed(context),
    readers: createReaderGate(),
    version: packageVersion,
    installation,
    secret: (reference) => readSecret(reference, dirname(config().file), processEnvironment),
    token: tokenReader(tokenFile(config().dataDir)),
  };
}

/** Loaded when something is asked. */
function inquiriesOf({ store, services, clock }: Context, config: () => Config): Inquiries {
  const source = () => ({ config: config(), store, services, clock });
  const load = () => import("./inquiries.ts");
  return {
    audit: async (head, signal) => (await load()).auditReport(config().file, head, signal),
    async doctor(signal) {
      return (await import("./doctor/index.ts")).examine(config().file, signal, { targets: false });
    },
    check: async (certificate, signal) => (await load()).checkReport(source(), certificate, signal),
    challenges: async (of, signal) => (await load()).challengesReport(source(), of, signal),
    removeForeign: async (what, signal) => (await load()).removeForeign(source(), what, signal),
    leftovers: async () => (await load()).leftoversReport(source()),
    async forgetLeftovers(tx) {
      const { forgetLeftovers } = await import("./leftovers.ts");
      return (await load()).leftoversReport({ store: tx }, await forgetLeftovers({ store: tx, services, clock }));
    },
    account: async (issuer, signal) => (await load()).accountReport(source(), issuer, signal),
    served: async (of) => (await import("./served.ts")).servedReport(store, of, clock.now()),
    servedDiff: async (of) => (await import("./served.ts")).servedDiff(store, of, clock.now()),
  };
}

/** The first request waits until pages and API are loaded. */
function lateListener(web: WebContext): RequestListener {
  const load = remembered(async () => {
    const [{ createApp }, { nodeListener }] = await Promise.all([
      import("../web/app.ts"),
      import("../web/nodeListener.ts"),
    ]);
    return nodeListener(createApp(web), web.readers);
  });
  return (request, response) => {
    load()
      .then((listener) => listener(request, response))
      .catch((thrown: unknown) => {
        web.renewal.log.error({ err: toRenewalError(thrown) }, "request not answered");
        if (!response.headersSent) response.writeHead(500);
        response.end();
      });
  };
}
