import type { ResponderName } from "../domain/issuer.ts";
import type { RedisOptions } from "../queue/options.ts";
import { requestIdOf } from "../queue/requests.ts";
import { startRequestWorker } from "../queue/requestWorker.ts";
import { startScheduler } from "../queue/scheduler.ts";
import type { Context } from "../renewal/context.ts";
import { planDue } from "../renewal/plan/plan.ts";
import { createRequestDesk } from "../renewal/plan/requestDesk.ts";
import { breakForExercise } from "../renewal/steps/breakTarget.ts";
import { deploy, deployClaimed } from "../renewal/steps/deploy.ts";
import { issue } from "../renewal/steps/issue.ts";
import { verify, verifyClaimed } from "../renewal/steps/verify.ts";
import type { AlertMemory } from "../renewal/watch/alerts.ts";
import { clearAnswers } from "../renewal/watch/clearAnswers.ts";
import { inspectDue } from "../renewal/watch/inspect.ts";
import { lookAtWatched } from "../renewal/watch/lookAtWatched.ts";
import { notifyPeople } from "../renewal/watch/notify.ts";
import { observeDue } from "../renewal/watch/observe.ts";
import { startHeartbeat } from "./heartbeat.ts";
import { type Handle, jobWorker, report, reportRequest, SKIPPED } from "./jobWorker.ts";
import { nameServerAddresses, startNameServer } from "./nameServer.ts";
import { startPlannerChores } from "./plannerChores.ts";
import { watchPorts } from "./portWatch.ts";
import { repeat } from "./repeat.ts";
import { addressesOf, neededResponders, startResponder, startTlsAlpnResponder } from "./responder.ts";
import type { Role } from "./roleNames.ts";
import type { RoleSettings, RunningRole } from "./runningRole.ts";
import { watchedTicks } from "./ticks.ts";

/** How often a verifier asks which endpoints are due to be dialled. */
const OBSERVE_TICK_MS = 5_000;
/** How soon a deployer breaks the certificate of an exercise that has begun. */
const BREAK_TICK_MS = 2_000;
/** How soon people are notified. */
const NOTIFY_TICK_MS = 2_000;
/** How soon DNS records of a worker that died are removed. */
const CLEAR_TICK_MS = 15_000;
/** Limit of the clock guard's questions while a request waits for its answer. */
const REQUEST_CLOCK_TIMEOUT_MS = 15_000;

type StartRole = (context: Context, redis: RedisOptions, settings: RoleSettings) => Promise<RunningRole>;

const START: Readonly<Record<Role, StartRole>> = {
  async planner(context, redis, initial) {
    let settings = initial;
    const onError = report(context, "planner");
    const { note } = initial;
    const heartbeat = startHeartbeat({ context, config: () => settings.config, note });
    const ticks = watchedTicks(
      context,
      () => settings,
      onError,
      (what, failing) => {
        // Sweeps come more often than plans: while they end, what was planned is carried out.
        if (what === "sweep") initial.useful("planner");
        heartbeat.done(what, failing);
      },
    );
    await ticks.configure().catch(async (thrown: unknown) => {
      await Promise.all([ticks.close(), heartbeat.close()]);
      throw thrown;
    });
    const looked: AlertMemory = {};
    const notifications = repeat(
      NOTIFY_TICK_MS,
      async (signal) => {
        await notifyPeople(context, signal, looked);
        heartbeat.done("alerts", []);
      },
      report(context, "notify"),
    );
    const chores = startPlannerChores(context, () => settings.config);
    const { tickMs, sweepMs } = settings;
    const scheduler = startScheduler({ redis, tickMs, sweepMs, handle: ticks.run, onError });
    const desk = createRequestDesk(context);
    const requests = startRequestWorker({
      redis,
      async handle({ certificate, force, reason, requestedBy }, { jobId, queuedAt }) {
        await context.clockGuard.check(AbortSignal.timeout(REQUEST_CLOCK_TIMEOUT_MS));
        const by = { reason: reason ?? null, requestedBy: requestedBy ?? null };
        const id = requestIdOf(jobId);
        return desk({ certificate, force: force ?? false, ...by, id, askedAt: id === null ? queuedAt : null });
      },
      onError: reportRequest(context),
    });
    return {
      async reloaded(next) {
        settings = next;
        scheduler.setTimes(next);
        await ticks.configure();
        await planDue(context, AbortSignal.timeout(settings.tickMs));
      },
      async close() {
        await Promise.all([
          notifications.close(),
          heartbeat.close(),
          chores.close(),
          ticks.close(),
          scheduler.close(),
          requests.close(),
        ]);
      },
    };
  },

  async acme(context, redis, { concurrency, http01, tlsAlpn01, nameServer: served, load, useful, note }) {
    const identity = await context.store.health.installation();
    const nameServer = await startNameServer(context, {
      at: served,
      identity,
      note: (problem) => note("port", problem, "DNS server"),
    });
    let issueMax = concurrency.issue;
    const listening = new Set<ResponderName>();
    const listensAt = { http01, tlsAlpn01, nameServer: served };
    // Listening before the first order: the CA may ask at once, and any worker's token.
    const responder = await startResponder(context, {
      at: http01,
      identity,
      note: (problem) => note("port", problem),
      onReady: () => void listening.add("http01"),
    }).catch(async (thrown: unknown) => {
      // The next start needs its port.
      await nameServer.close();
      throw thrown;
    });
    const tlsAlpn = await startTlsAlpnResponder(context, {
      at: tlsAlpn01,
      identity,
      note: (problem) => note("port", problem, "tls-alpn-01"),
      onReady: () => void listening.add("tlsAlpn01"),
    }).catch(async (thrown: unknown) => {
      await Promise.all([responder.close(), nameServer.close()]);
      throw thrown;
    });
    const worker = jobWorker({ context, redis, load, useful }, "issue", issueMax, async (job, signal) => {
      // The sweep enqueues it again: by then the port may be free, or a process that listens may take it.
      if (!(await respondersListen(context, job.renewalId, listening))) return SKIPPED;
      return issue(context, job.renewalId, signal);
    });
    const ports = watchPorts(context, {
      identity,
      note,
      // What keeps a responder from listening is reported already.
      places: () => ({
        http01: listening.has("http01") ? addressesOf(listensAt.http01) : [],
        tlsAlpn01: listening.has("tlsAlpn01") ? addressesOf(listensAt.tlsAlpn01) : [],
        dnsServer: nameServerAddresses(listensAt.nameServer),
      }),
      onError: report(context, "port"),
    });
    const leftovers = repeat(CLEAR_TICK_MS, (signal) => clearAnswers(context, signal), report(context, "clearAnswers"));
    return {
      async reloaded(next) {
        issueMax = next.concurrency.issue;
        worker.setMax(issueMax);
        // One that cannot move does not hold up the others.
        const moves = await Promise.allSettled([
          responder.move(next.http01).then(() => Object.assign(listensAt, { http01: next.http01 })),
          tlsAlpn.move(next.tlsAlpn01).then(() => Object.assign(listensAt, { tlsAlpn01: next.tlsAlpn01 })),
          nameServer.move(next.nameServer).then(() => Object.assign(listensAt, { nameServer: next.nameServer })),
        ]);
        const failed = moves.find((move) => move.status === "rejected");
        if (failed !== undefined) throw failed.reason;
      },
      async close() {
        await Promise.all([worker.close(), leftovers.close(), ports.close()]);
        await Promise.all([responder.close(), tlsAlpn.close(), nameServer.close()]);
      },
    };
  },

  async deployer(context, redis, { concurrency, agentOf, load, useful }) {
    const handle: Handle = async (job, signal) => {
      // A job enqueued before the target got its agent, or lost it: the sweep enqueues it where it belongs.
      if (job.kind === "deploy" && context.services.hasAgent(job.target) === job.agent)
        await deploy(context, job.renewalId, job.target, signal);
    };
    const own = { context, redis, load, useful };
    const workers =
      agentOf.length === 0
        ? [jobWorker(own, "deploy", concurrency.deploy, handle)]
        : agentOf.map((target) => jobWorker(own, "deploy", concurrency.deploy, handle, { agentOf: target }));
    // An agent's jobs come from a queue of their own.
    const [worker] = agentOf.length === 0 ? workers : [];
    if (worker !== undefined && context.rooms !== undefined)
      context.rooms.deploy = (target) =>
        context.services.hasAgent(target)
          ? null
          : worker.room((claimed, signal) => deployClaimed(context, claimed, signal));
    // Where the target's deployer runs: an agent owns the files that it inspects.
    const inspections = repeat(
      () => Math.min(OBSERVE_TICK_MS, context.settings.observeMs),
      (signal) => inspectDue(context, agentOf, signal),
      report(context, "inspect"),
    );
    const breaks = repeat(
      BREAK_TICK_MS,
      (signal) => breakForExercise(context, agentOf, signal),
      report(context, "exercise"),
    );
    return {
      async reloaded(next) {
        for (const worker of workers) worker.setMax(next.concurrency.deploy);
      },
      async close() {
        delete context.rooms?.deploy;
        await Promise.all([inspections.close(), breaks.close(), ...workers.map((worker) => worker.close())]);
      },
    };
  },

  async verifier(context, redis, { concurrency, load, useful }) {
    const { vantage } = context;
    const worker = jobWorker(
      { context, redis, load, useful },
      "verify",
      concurrency.verify,
      (job, signal) => verify(context, job.renewalId, signal),
      vantage === undefined ? {} : { vantage },
    );
    if (context.rooms !== undefined)
      context.rooms.verify = () => worker.room((claimed, signal) => verifyClaimed(context, claimed, signal));
    // Needs no queue: the database says which endpoints are due, and gives each to one verifier.
    const looks = repeat(
      () => Math.min(OBSERVE_TICK_MS, context.settings.observeMs),
      async (signal) => {
        if ((await observeDue(context, signal)) > 0) useful("verifier");
      },
      report(context, "observe"),
    );
    // Beside those of certificates: a thousand that do not answer must not keep these waiting.
    const watchedLooks = repeat(
      () => Math.min(OBSERVE_TICK_MS, context.settings.observeMs),
      async (signal) => {
        if ((await lookAtWatched(context, signal)) > 0) useful("verifier");
      },
      report(context, "watch"),
    );
    return {
      async reloaded(next) {
        worker.setMax(next.concurrency.verify);
      },
      async close() {
        delete context.rooms?.verify;
        await Promise.all([looks.close(), watchedLooks.close(), worker.close()]);
      },
    };
  },

  async web(context, redis, settings) {
    const { startWeb } = await import("./web.ts");
    return startWeb(context, redis, settings);
  },
};

export function startRole(
  role: Role,
  context: Context,
  redis: RedisOptions,
  settings: RoleSettings,
): Promise<RunningRole> {
  return START[role](context, redis, settings);
}

/** Whether everything that the order needs listens. */
async function respondersListen(
  { store, services }: Context,
  renewalId: string,
  listening: ReadonlySet<ResponderName>,
): Promise<boolean> {
  if (listening.has("http01") && listening.has("tlsAlpn01")) return true;
  const renewal = await store.renewals.get(renewalId);
  const certificate = renewal && services.certificate(renewal.certificate);
  return certificate === null || neededResponders(certificate, services.solvers(certificate)).isSubsetOf(listening);
}
