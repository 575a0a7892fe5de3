import type { Alert, AlertRule } from "../../../domain/alert.ts";
import type { Severity } from "../../../domain/notification.ts";
import { NOWHERE } from "./faults.ts";

interface RuleText {
  /** What raises it. */
  readonly when: string;
  /** The most severe it can be. */
  readonly severity: Severity;
}

/** Every rule in words, for people. Each is fired by a scenario of test/renewal/alerts/firing.test.ts. */
export const ALERT_RULE_TEXTS: Readonly<Record<AlertRule, RuleText>> = {
  renewalFailed: { when: "a renewal failed and none has succeeded since", severity: "page" },
  renewalHeld: { when: "a renewal waits for a person because a wave failed", severity: "page" },
  endpointStale: { when: "an endpoint does not serve the latest pair, and no renewal is at work", severity: "page" },
  expiring: {
    when: "a certificate is in its last days, or has expired, and nothing newer is in use",
    severity: "page",
  },
  watchedEndpoint: {
    when: "a watched endpoint does not answer, or serves what clients refuse or a predecessor",
    severity: "page",
  },
  watchedExpiring: {
    when: "the certificate of a watched endpoint is in its last days, or has expired",
    severity: "page",
  },
  watchSilent: { when: "nobody looks at watched endpoints any more", severity: "page" },
  vantageSilent: { when: "no verifier dials from a network that must prove endpoints", severity: "page" },
  unplannable: { when: "the planner cannot decide about a certificate", severity: "page" },
  noIssuer: { when: "every issuer that a certificate names is distrusted", severity: "page" },
  rehearsalFailed: { when: "a rehearsal found what would make the renewal fail", severity: "page" },
  canary: { when: "the canary certificate was not renewed in time", severity: "page" },
  clock: { when: "a machine's clock is wrong, so that it has stopped its work", severity: "page" },
  clockDissent: { when: "the clock of a CA or server is wrong", severity: "page" },
  plannerPart: { when: "a part of the planner fails", severity: "page" },
  channel: { when: "a channel fails again and again, or failed its self-test", severity: "page" },
  heartbeat: { when: "the heartbeat's URL does not answer", severity: "page" },
  peer: {
    when: "another renewd does not answer, says that it does not work, or has completed no sweep for too long",
    severity: "page",
  },
  exercise: { when: "`exercise` has broken its certificate on purpose, and its endpoint shows it", severity: "page" },
  exerciseUnanswered: {
    when: "nobody acknowledged the last exercise in time, nobody was notified of it, or it could not be done",
    severity: "page",
  },
  horizon: {
    when: "a token, domain, signature or anything else that renewals need nears its end, or has ended",
    severity: "page",
  },
  accountReplaced: { when: "a CA no longer accepts an account", severity: "page" },
  historyLost: { when: "the history was put back, deleted or altered behind renewd's back", severity: "page" },
  windowDistrusted: { when: "a CA's renewal windows make no sense and are ignored", severity: "page" },
  windowMoved: { when: "a CA moved a renewal window", severity: "warning" },
  issuerFallback: { when: "a renewal turned to another issuer", severity: "warning" },
  versionRevoked: { when: "a certificate was revoked", severity: "warning" },
  certificateOvertaken: { when: "an endpoint serves a newer certificate than the database knows", severity: "warning" },
  instantCorrected: { when: "a certificate was put off longer than renewd ever does", severity: "warning" },
  targetDrifted: { when: "a target holds something else than was deployed to it", severity: "warning" },
  processFault: { when: "a part of renewd ended by an internal fault and was started again", severity: "warning" },
  processLost: {
    when: "a process died or was cut off, and is away for minutes while others work",
    severity: "warning",
  },
  discovered: { when: "discovery found certificates that nobody manages, or that end soon", severity: "warning" },
};

/** An alert of the rule as it could be, for a test. */
export function sampleAlert(rule: AlertRule, now: number): Alert {
  const { when, severity } = ALERT_RULE_TEXTS[rule];
  return {
    ...{ id: "00000000", rule, cause: `test · ${rule}`, place: NOWHERE, code: null, severity },
    what: `a test of rule ${rule}, which says that ${when}`,
    ...{ action: "Nothing: somebody ran `renewd alerts test`.", members: [], affected: [], level: 0, isLast: false },
    ...{ firstBadAt: now, openedAt: now, lastBadAt: now, healthySince: null, resolvedAt: null, notifiedAt: now },
    ...{
      notified: null,
      digested: false,
      channels: [],
      step: 0,
      acknowledgement: null,
      acknowledgements: 0,
      changed: [],
    },
  };
}
