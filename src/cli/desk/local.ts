import { type ActionContext, certificateNamed, type Decision, meant } from "../../actions/context.ts";
import {
  type App,
  accountReport,
  auditReport,
  challengesReport,
  checkReport,
  examine,
  forgetLeftovers,
  leftoversReport,
  openContext,
  openContextToLook,
  openViewer,
  removeForeign,
  requestRenewals,
  servedDiff,
  servedReport,
  type Viewer,
} from "../../compose/index.ts";
import { RenewalError } from "../../domain/errors.ts";
import { durationOption, pastOption } from "../../domain/writtenTime.ts";
import { adoptableOf } from "../../reports/adoptFound.ts";
import { answeredForBy, type ConfiguredFleet, type Paged, textOf } from "../../reports/configured.ts";
import {
  acknowledge,
  acknowledgeAlert,
  adoptFound,
  cancelReplacement,
  certificatesReport,
  checkTarget,
  deploy,
  dial,
  drill,
  drillsReport,
  fleetStatus,
  historyReport,
  horizonReport,
  ignoreInventory,
  keyInInventory,
  listAlertRules,
  listAlerts,
  listInventory,
  pause,
  planReport,
  recordAudit,
  rehearse,
  renew,
  replace,
  replacementReport,
  resume,
  retry,
  revocationDraft,
  revoke,
  rollBack,
  showReport,
  startExercise,
  testAlertRule,
  testChannels,
  watchedReport,
  weekReport,
  withdrawAcknowledgement,
  withdrawAlertAcknowledgement,
} from "../doors.ts";
import { requestedBy } from "../requestedBy.ts";
import { silentLog } from "../silentLog.ts";
import type { Desk, ListWish } from "./desk.ts";

/** The configuration and database of this machine. What a command does not ask for is not opened. */
export function localDesk(configFile: string, note: (text: string) => void): Desk {
  let viewing: Promise<Viewer> | null = null;
  let acting: Promise<App> | null = null;
  const viewer = (): Promise<Viewer> => {
    viewing ??= openViewer(configFile);
    return viewing;
  };
  const app = (): Promise<App> => {
    acting ??= openContextToLook(configFile, { log: silentLog });
    return acting;
  };
  /** A notice of a renewd that has not run yet can be acknowledged too, so there must be a database afterwards. */
  const creating = (): Promise<App> => {
    acting ??= openContext(configFile, { log: silentLog });
    return acting;
  };
  /** Nothing can be done about a certificate that no planner has seen: without a database this creates none. */
  const act = async <T>(work: (context: ActionContext) => Promise<T>): Promise<T> => work(contextOf(await app(), note));
  const decision = (reason: string | null): Decision => ({ by: requestedBy(), reason });
  const view = async <T>(work: (opened: Viewer) => Promise<T>): Promise<T> => work(await viewer());
  return {
    server: null,
    status: () =>
      view(async ({ store, fleet, budget: budgetOf, observeMs, agentTargets, found, clock }) =>
        fleetStatus(store, fleet, clock.now(), { budgetOf, observeMs, agentTargets, found }),
      ),
    certificates: (wish) =>
      view(async ({ store, fleet, clock, observeMs }) => {
        const { certificates, next } = await chosen(fleet, wish);
        const unmanagedIn = wish.name === null && answeredForBy(wish) === undefined ? fleet : undefined;
        return certificatesReport(store, certificates, clock.now(), observeMs, { unmanagedIn, next });
      }),
    plan: (wish) =>
      view(async ({ store, fleet, clock, budget, limits, reloads }) => {
        const { certificates, next } = await chosen(fleet, wish);
        return planReport(store, certificates, clock.now(), budget, limits, reloads, next);
      }),
    history: (wish) =>
      view(async (opened) => {
        const now = opened.clock.now();
        const since = wish.since === null ? null : pastOption("--since", wish.since, now);
        if (wish.certificate !== null) await assertKnown(opened, wish.certificate);
        return historyReport(opened.store, { ...wish, since }, now);
      }),
    show: (of) => view(async ({ store, fleet, clock }) => showReport(store, of, await fleet.all(), clock.now())),
    replacements: async (id) => {
      const { store, config, services, clock } = await app();
      return replacementReport({ store, config, services }, id ?? undefined, clock.now());
    },
    renew: (request, reason) => act((context) => renew(context, request, decision(reason))),
    deploy: (request, reason) => act((context) => deploy(context, request, decision(reason))),
    rollBack: (of, reason) => act((context) => rollBack(context, of, decision(reason))),
    retry: (of, reason) => act((context) => retry(context, of, decision(reason))),
    resume: (of, reason) => act((context) => resume(context, of, decision(reason))),
    pause: (request, reason) => act((context) => pause(context, request, decision(reason))),
    acknowledge: async (request, reason) => acknowledge(contextOf(await creating(), note), request, decision(reason)),
    withdrawAcknowledgement: (subject) =>
      act((context) => withdrawAcknowledgement(context, subject, { by: requestedBy() })),
    revocationDraft: (of) => act((context) => revocationDraft(context, of)),
    revoke: (request, reason) => act((context) => revoke(context, request, decision(reason))),
    replace: (request, reason) => act((context) => replace(context, request, decision(reason))),
    cancelReplacement: (id, reason) => act((context) => cancelReplacement(context, id, decision(reason))),
    drill: (request, reason) => act((context) => drill(context, request, decision(reason))),
    horizon: (withinMs) => view(({ store, clock }) => horizonReport(store, withinMs, clock.now())),
    week: () => view(async ({ store, fleet, clock }) => weekReport(store, await fleet.all(), clock.now(), clock.now())),
    drills: (id) => view(({ store, clock }) => drillsReport(store, id, clock.now())),
    rehearse: (name, reason) => act((context) => rehearse(context, name, decision(reason))),
    dial: (name, signal) => act((context) => dial(context, name, signal)),
    async audit(head, signal) {
      const report = await auditReport(configFile, head, signal);
      // A history that cannot take the finding is what the finding is about: it is printed all the same.
      await act(({ renewal: { store, clock } }) => recordAudit(store, report, requestedBy(), clock.now())).catch(
        () => {},
      );
      return report;
    },
    doctor: (signal) => examine(configFile, signal),
    check: async (name, signal) => checkReport(await app(), name, signal),
    notify: (channel) => act((context) => testChannels(context, channel, decision(null))),
    checkTarget: (target, reason) => act((context) => checkTarget(context, target, decision(reason))),
    challenges: async (of, signal) => challengesReport(await app(), of, signal),
    removeForeign: async (what, signal) => removeForeign(await creating(), what, signal),
    leftovers: async () => leftoversReport(await app()),
    forgetLeftovers: async () => {
      const opened = await creating();
      return leftoversReport(opened, await forgetLeftovers(opened));
    },
    account: async (issuer, signal) => accountReport(await app(), issuer, signal),
    alerts: (query) => act((context) => listAlerts(context, query)),
    alertRules: () => act(listAlertRules),
    acknowledgeAlert: (alert, reason) =>
      act((context) => acknowledgeAlert(context, { alert, via: "terminal" }, decision(reason))),
    withdrawAlert: (alert) => act((context) => withdrawAlertAcknowledgement(context, alert, { by: requestedBy() })),
    startExercise: (reason) => act((context) => startExercise(context, decision(reason))),
    testAlertRule: (rule) => act((context) => testAlertRule(context, rule)),
    inventory: ({ source, expiring, unmanaged }) =>
      act((context) =>
        listInventory(context, {
          ...{ source, unmanaged },
          expiringMs: expiring === null ? null : durationOption("--expiring", expiring),
        }),
      ),
    inventoryKey: (fingerprint) => act((context) => keyInInventory(context, fingerprint)),
    adoptFound: async (fingerprint) => {
      const { store, config } = await app();
      return adoptFound({ store }, fingerprint, adoptableOf(config));
    },
    ignoreFound: (fingerprint, until, reason) =>
      act((context) => ignoreInventory(context, { fingerprint, until }, decision(reason))),
    watched: () => view(({ store, clock }) => watchedReport(store, clock.now())),
    served: (of) => view(({ store, clock }) => servedReport(store, of, clock.now())),
    servedDiff: (of) => view(({ store, clock }) => servedDiff(store, of, clock.now())),
    followed: () => app(),
    async [Symbol.asyncDispose]() {
      await (await viewing?.catch(() => null))?.[Symbol.asyncDispose]();
      await (await acting?.catch(() => null))?.[Symbol.asyncDispose]();
    },
  };
}

function contextOf(app: App, note: (text: string) => void): ActionContext {
  const { config, services } = app;
  return {
    renewal: app.context,
    estate: () => ({
      certificates: config.certificates,
      budget: services.budget,
      limits: services.limits,
      reloads: services.reloads,
      observeMs: config.observation.everyMs,
      agentTargets: [...config.targets].filter(([, { agent }]) => agent).map(([name]) => name),
    }),
    requestRenewals: (names, wish) => requestRenewals(app, names, wish, note),
  };
}

async function chosen(fleet: ConfiguredFleet, { name, after, limit, ...wish }: ListWish): Promise<Paged> {
  if (name === null)
    return fleet.page({ after, limit: limit ?? fleet.count, fits: answeredForBy(wish), holding: textOf(wish) });
  const certificates = await fleet.named([name]);
  return {
    certificates: certificates.length > 0 ? certificates : [certificateNamed(await fleet.all(), name)],
    next: null,
  };
}

/** A mistyped name must not look like a quiet past. */
async function assertKnown({ store, fleet }: Viewer, name: string): Promise<void> {
  if ((await fleet.named([name])).length > 0 || (await store.certificates.get(name)) !== null) return;
  throw new RenewalError(
    "request.invalid",
    `certificate "${name.slice(0, 80)}" is not known${meant(await fleet.all(), name)}`,
  );
}
