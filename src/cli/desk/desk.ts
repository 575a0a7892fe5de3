import type { AcknowledgeReport, AcknowledgeRequest } from "../../actions/acknowledge.ts";
import type { AlertAcknowledgeReport, AlertTestReport } from "../../actions/alerts.ts";
import type { TargetCheckReport } from "../../actions/checks.ts";
import type { DialReport } from "../../actions/dial.ts";
import type { DrillRequest, DrillStartReport } from "../../actions/drill.ts";
import type { ExerciseStartReport } from "../../actions/exercise.ts";
import type { PauseReport, PauseRequest } from "../../actions/pause.ts";
import type { RehearseReport } from "../../actions/rehearse.ts";
import type { RenewReport, RenewRequest } from "../../actions/renew.ts";
import type { ReplaceCancelReport, ReplaceReport, ReplaceRequest } from "../../actions/replace.ts";
import type { RevokeReport, RevokeRequest } from "../../actions/revoke.ts";
import type { DeployRequest, RenewalActionReport, ResumeReport, RetryReport } from "../../actions/steer.ts";
import type { Clock } from "../../domain/clock.ts";
import type { Renewal } from "../../domain/renewal.ts";
import type { Store } from "../../domain/store.ts";
import type { AccountReport } from "../../reports/account.ts";
import type { AlertRulesReport, AlertsQuery, AlertsReport } from "../../reports/alerts.ts";
import type { AuditReport } from "../../reports/audit.ts";
import type { CertificatesReport } from "../../reports/certificates.ts";
import type { ChallengeEntry, ChallengesReport } from "../../reports/challenges.ts";
import type { CheckReport } from "../../reports/check.ts";
import type { ResponsibilityWish } from "../../reports/configured.ts";
import type { DoctorReport } from "../../reports/doctor.ts";
import type { DrillsReport } from "../../reports/drills.ts";
import type { HistoryReport } from "../../reports/history.ts";
import type { HorizonReport } from "../../reports/horizon.ts";
import type { AdoptReport, IgnoreReport, InventoryKeyReport, InventoryReport } from "../../reports/inventory.ts";
import type { LeftoversReport } from "../../reports/leftovers.ts";
import type { NotifyReport } from "../../reports/notifyTest.ts";
import type { PlanReport } from "../../reports/plan.ts";
import type { ShowReport } from "../../reports/renewal.ts";
import type { ReplacementReport } from "../../reports/replacements.ts";
import type { ServedDiffReport, ServedReport } from "../../reports/served.ts";
import type { StatusReport } from "../../reports/status.ts";
import type { WatchedReport } from "../../reports/watched.ts";
import type { WeekReport } from "../../reports/week.ts";

/** What commands ask and have done: on this machine, or by a renewd elsewhere. */
export interface Desk extends AsyncDisposable {
  /** Where it is, for messages; null: on this machine. */
  readonly server: string | null;
  status(): Promise<StatusReport>;
  certificates(wish: ListWish): Promise<CertificatesReport>;
  plan(wish: ListWish): Promise<PlanReport>;
  history(query: HistoryWish): Promise<HistoryReport>;
  /** `of`: a renewal's id, or its beginning, or a certificate's name. */
  show(of: string): Promise<ShowReport>;
  /** `id` null: all. */
  replacements(id: string | null): Promise<ReplacementReport>;
  renew(request: RenewRequest, reason: string | null): Promise<RenewReport>;
  deploy(request: DeployRequest, reason: string | null): Promise<RenewalActionReport>;
  rollBack(of: string, reason: string | null): Promise<RenewalActionReport>;
  retry(of: string, reason: string | null): Promise<RenewalActionReport | RetryReport>;
  resume(of: string, reason: string | null): Promise<RenewalActionReport | ResumeReport>;
  pause(request: PauseRequest, reason: string | null): Promise<PauseReport>;
  acknowledge(request: AcknowledgeRequest, reason: string | null): Promise<AcknowledgeReport>;
  withdrawAcknowledgement(subject: string): Promise<AcknowledgeReport>;
  /** What `revoke` would revoke. */
  revocationDraft(of: string): Promise<Pick<RevokeReport, "certificate" | "generation" | "serial">>;
  revoke(request: RevokeRequest, reason: string | null): Promise<RevokeReport>;
  replace(request: ReplaceRequest, reason: string | null): Promise<ReplaceReport>;
  cancelReplacement(id: string, reason: string | null): Promise<ReplaceCancelReport>;
  drill(request: DrillRequest, reason: string | null): Promise<DrillStartReport>;
  /** null: all, those without a known end too. */
  horizon(withinMs: number | null): Promise<HorizonReport>;
  /** The last seven days. */
  week(): Promise<WeekReport>;
  /** `id` null: all. */
  drills(id: string | null): Promise<DrillsReport>;
  /** `name` null: every certificate. */
  rehearse(name: string | null, reason: string | null): Promise<RehearseReport>;
  dial(name: string, signal: AbortSignal): Promise<DialReport>;
  audit(head: string | null, signal: AbortSignal): Promise<AuditReport>;
  doctor(signal: AbortSignal): Promise<DoctorReport>;
  /** `name` null: every certificate, one after another. */
  check(name: string | null, signal: AbortSignal): Promise<CheckReport>;
  /** Sends a test message; null: by each channel. */
  notify(channel: string | null): Promise<NotifyReport>;
  checkTarget(target: string, reason: string | null): Promise<TargetCheckReport>;
  challenges(of: ChallengesWish, signal: AbortSignal): Promise<ChallengesReport>;
  removeForeign(what: ForeignWish, signal: AbortSignal): Promise<readonly Pick<ChallengeEntry, "name" | "value">[]>;
  leftovers(): Promise<LeftoversReport>;
  forgetLeftovers(): Promise<LeftoversReport>;
  account(issuer: string, signal: AbortSignal): Promise<AccountReport>;
  alerts(query: AlertsQuery): Promise<AlertsReport>;
  alertRules(): Promise<AlertRulesReport>;
  acknowledgeAlert(alert: string, reason: string | null): Promise<AlertAcknowledgeReport>;
  withdrawAlert(alert: string): Promise<AlertAcknowledgeReport>;
  startExercise(reason: string | null): Promise<ExerciseStartReport>;
  testAlertRule(rule: string): Promise<AlertTestReport>;
  inventory(query: InventoryWish): Promise<InventoryReport>;
  inventoryKey(fingerprint: string): Promise<InventoryKeyReport>;
  adoptFound(fingerprint: string): Promise<AdoptReport>;
  /** `until` null: it is ignored no longer. */
  ignoreFound(fingerprint: string, until: string | null, reason: string | null): Promise<IgnoreReport>;
  watched(): Promise<WatchedReport>;
  /** `at` null: every change. */
  served(of: { readonly address: string; readonly at: string | null }): Promise<ServedReport>;
  servedDiff(of: { readonly one: string; readonly other: string }): Promise<ServedDiffReport>;
  /** Where a renewal can be followed. */
  followed(): Promise<Followed>;
}

/** Which certificates are shown. */
export interface ListWish extends ResponsibilityWish {
  /** This one; null: all. */
  readonly name: string | null;
  /** Those whose names come after it; null: from the first. */
  readonly after: string | null;
  /** null: however many there are. */
  readonly limit: number | null;
}

export interface InventoryWish {
  readonly source: string | null;
  /** `30d`; null: whenever it ends. */
  readonly expiring: string | null;
  readonly unmanaged: boolean;
}

export interface ChallengesWish {
  /** null: all. */
  readonly certificate: string | null;
  /** Only what renewd wrote down. */
  readonly own: boolean;
}

export interface ForeignWish {
  readonly certificate: string;
  /** `all`: every foreign one. */
  readonly value: string;
}

export interface HistoryWish {
  readonly certificate: string | null;
  /** `7d`, or an instant; null: from the beginning. */
  readonly since: string | null;
  readonly failed: boolean;
  readonly limit: number;
}

/** A renewal, as far as it is shown to somebody who waits for it. */
export type FollowedRenewal = Pick<Renewal, "state" | "errorCode" | "errorMessage" | "createdAt" | "finishedAt">;

export interface Followed {
  readonly clock: Clock;
  readonly store: {
    readonly renewals: { get(id: string): Promise<FollowedRenewal | null> };
    readonly events: Pick<Store["events"], "list">;
  };
}
