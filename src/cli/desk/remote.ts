import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import type { AcknowledgeReport } from "../../actions/acknowledge.ts";
import type { TargetCheckReport } from "../../actions/checks.ts";
import type { DrillStartReport } from "../../actions/drill.ts";
import type { PauseReport } from "../../actions/pause.ts";
import type { RenewReport } from "../../actions/renew.ts";
import type { ReplaceCancelReport, ReplaceReport } from "../../actions/replace.ts";
import type { RevokeReport } from "../../actions/revoke.ts";
import type { RenewalActionReport, ResumeReport, RetryReport } from "../../actions/steer.ts";
import type { HistoryEvent } from "../../domain/event.ts";
import { isRenewalId } from "../../domain/renewal.ts";
import type { CertificatesReport } from "../../reports/certificates.ts";
import type { DrillsReport } from "../../reports/drills.ts";
import type { HistoryReport } from "../../reports/history.ts";
import type { HorizonReport } from "../../reports/horizon.ts";
import type { PlanReport } from "../../reports/plan.ts";
import type { ShowReport } from "../../reports/renewal.ts";
import type { ReplacementReport } from "../../reports/replacements.ts";
import type { StatusReport } from "../../reports/status.ts";
import type { WeekReport } from "../../reports/week.ts";
import { alertsAt } from "./alerts.ts";
import { type Connection, connect, type Server } from "./connection.ts";
import type { Desk, Followed, FollowedRenewal, ListWish } from "./desk.ts";
import { document, type eventSchema, eventsSchema, search } from "./documents.ts";
import { inquiriesAt } from "./inquiries.ts";
import { inventoryAt } from "./inventory.ts";
import { rehearsed } from "./rehearsal.ts";
import { watchedAt } from "./watched.ts";

/** A renewd elsewhere, through its HTTP API. */
export function remoteDesk(at: Server): Desk {
  const server = connect(at);
  const path = (verb: string, of: string): string =>
    `/${isRenewalId(of) ? "renewals" : "certificates"}/${encodeURIComponent(of)}/${verb}`;
  const steer = <T>(verb: string, of: string, reason: string | null): Promise<T> =>
    server.post(path(verb, of), said(reason), document<T>(1));
  return {
    server: at.server,
    status: () => server.get("/status", document<StatusReport>(2)),
    certificates: (wish) => server.get(`/documents/certificates${listed(wish)}`, document<CertificatesReport>(2)),
    plan: (wish) => server.get(`/plan${listed(wish)}`, document<PlanReport>(2)),
    history: ({ certificate, since, failed, limit }) => {
      const query = search({ certificate, since, failed: failed ? "true" : null, limit: String(limit) });
      return server.get(`/documents/history${query}`, document<HistoryReport>(1));
    },
    show: (of) => server.get(`/documents/renewal${search({ of })}`, document<ShowReport>(1)),
    replacements: (id) => server.get(`/documents/replacements${search({ id })}`, document<ReplacementReport>(1)),
    renew: (request, reason) => server.post("/renewals", { ...request, ...said(reason) }, document<RenewReport>(1)),
    deploy: ({ certificate, targets, generation }, reason) => {
      const body = { targets, ...(generation !== null && { generation }), ...said(reason) };
      return server.post(path("deploy", certificate), body, document<RenewalActionReport>(1));
    },
    rollBack: (of, reason) => steer<RenewalActionReport>("rollback", of, reason),
    retry: (of, reason) => steer<RenewalActionReport | RetryReport>("retry", of, reason),
    resume: (of, reason) => steer<RenewalActionReport | ResumeReport>("resume", of, reason),
    pause: ({ certificate, until }, reason) => {
      const body = { ...(until !== null && { until }), reason: reason ?? "" };
      return server.post(path("pause", certificate), body, document<PauseReport>(1));
    },
    acknowledge: (request, reason) =>
      server.post("/acknowledgements", { ...request, reason: reason ?? "" }, document<AcknowledgeReport>(1)),
    withdrawAcknowledgement: (subject) =>
      server.post("/acknowledgements/withdraw", { subject }, document<AcknowledgeReport>(1)),
    revocationDraft: (of) => server.get(`/revocations/draft${search({ of })}`, draft),
    revoke: ({ of, reason: revocationReason }, reason) =>
      server.post("/revocations", { of, revocationReason, ...said(reason) }, document<RevokeReport>(1)),
    replace: (request, reason) =>
      server.post("/replacements", { ...given(request), ...said(reason) }, document<ReplaceReport>(1)),
    cancelReplacement: (id, reason) =>
      server.post(`/replacements/${encodeURIComponent(id)}/cancel`, said(reason), document<ReplaceCancelReport>(1)),
    drill: (request, reason) =>
      server.post("/drills", { ...given(request), ...said(reason) }, document<DrillStartReport>(1)),
    horizon: (withinMs) => {
      const query = search({ withinMs: withinMs === null ? null : String(withinMs) });
      return server.get(`/documents/horizon${query}`, document<HorizonReport>(1));
    },
    week: () => server.get("/documents/week", document<WeekReport>(1)),
    drills: (id) => server.get(`/documents/drills${search({ id })}`, document<DrillsReport>(1)),
    rehearse: (name, reason) => rehearsed(server, name, reason),
    ...inquiriesAt(server),
    ...alertsAt(server),
    ...inventoryAt(server),
    ...watchedAt(server),
    checkTarget: (target, reason) =>
      server.post(`/targets/${encodeURIComponent(target)}/check`, said(reason), document<TargetCheckReport>(1)),
    followed: async () => followedAt(server),
    async [Symbol.asyncDispose]() {},
  };
}

function listed({ name, after, limit, owner, team, label }: ListWish): string {
  const whose = { owner: owner ?? null, team: team ?? null, label: label ?? null };
  return search({ certificate: name, after, limit: limit === null ? null : String(limit), ...whose });
}

const draft = z.object({ certificate: z.string(), generation: z.int(), serial: z.string() });

function said(reason: string | null): { readonly reason?: string } {
  return reason === null ? {} : { reason };
}

/** Members that say nothing are left out. */
function given(request: object): object {
  return Object.fromEntries(Object.entries(request).filter(([, value]) => value !== null));
}

const renewalSchema = z.looseObject({
  state: z.custom<FollowedRenewal["state"]>((value) => typeof value === "string"),
  startedAt: z.string(),
  finishedAt: z.string().nullable(),
  errorCode: z.string().nullable(),
  errorMessage: z.string().nullable(),
});

/** Of one on this machine, the database is asked five times a second. */
const SLOWER = 5;

function followedAt(server: Connection): Followed {
  return {
    clock: {
      now: () => Date.now(),
      monotonic: () => performance.now(),
      async sleep(durationMs, signal) {
        await delay(durationMs * SLOWER, undefined, { signal });
      },
    },
    store: {
      renewals: {
        async get(id) {
          const found = await server.get(`/renewals/${encodeURIComponent(id)}`, renewalSchema);
          const { state, startedAt, finishedAt, errorCode, errorMessage } = found;
          return {
            ...{ state, errorCode, errorMessage },
            createdAt: Date.parse(startedAt),
            finishedAt: finishedAt === null ? null : Date.parse(finishedAt),
          };
        },
      },
      events: {
        async list({ renewalId = "", afterSeq = 0 }) {
          const path = `/renewals/${encodeURIComponent(renewalId)}/events?afterSeq=${afterSeq}`;
          const { items } = await server.get(path, eventsSchema);
          return items.map(toEvent);
        },
      },
    },
  };
}

function toEvent({ at, process: worker, type, detail, ...same }: z.output<typeof eventSchema>): HistoryEvent {
  // Shown only: an event of a later release has a type that this one does not know.
  return {
    ...same,
    at: Date.parse(at),
    worker,
    type: type as HistoryEvent["type"],
    detail: detail as HistoryEvent["detail"],
  };
}
