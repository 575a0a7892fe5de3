import { acknowledge, withdrawAcknowledgement } from "../../../actions/acknowledge.ts";
import { acknowledgeAlert, withdrawAlertAcknowledgement } from "../../../actions/alerts.ts";
import { beginCheck, checkTarget, testChannels } from "../../../actions/checks.ts";
import { certificateNamed, type Decision } from "../../../actions/context.ts";
import { drill } from "../../../actions/drill.ts";
import { startExercise } from "../../../actions/exercise.ts";
import { ignoreInventory } from "../../../actions/inventory.ts";
import { pause } from "../../../actions/pause.ts";
import { requestRehearsal } from "../../../actions/rehearse.ts";
import { renew } from "../../../actions/renew.ts";
import { cancel, replace } from "../../../actions/replace.ts";
import { deploy, resume, retry, rollBack } from "../../../actions/steer.ts";
import { RenewalError, toRenewalError } from "../../../domain/errors.ts";
import { formatInstant } from "../../../domain/time.ts";
import { tryEndpoints } from "../../../renewal/watch/tryEndpoints.ts";
import { iso } from "../../../reports/instant.ts";
import type { WebContext } from "../../context.ts";
import { fleetOf } from "../../fleet.ts";
import { plural } from "../parts/markup.ts";
import { beginAudit } from "./audit.ts";
import { drillRequest } from "./drillRequest.ts";
import type { ActionInput } from "./input.ts";
import type { ActionName } from "./names.ts";

/** What became of one subject. */
export interface ActionOutcome {
  readonly subject: string;
  readonly done: boolean;
  readonly what: string;
  readonly renewalId: string | null;
  /** Of an error; null: it was done. */
  readonly code: string | null;
  /** What to do; null: nothing. */
  readonly action: string | null;
}

export interface ActionRequest {
  readonly web: WebContext;
  readonly input: ActionInput;
  /** For the history. */
  readonly by: string;
  readonly signal: AbortSignal;
}

/** An answer must come before the browser stops waiting. */
const DIAL_MS = 20_000;
const ACKNOWLEDGED_FOR = "1d";
export const REPLACED_BY = "5d";
const IGNORED_FOR = "90d";

/** As `renewd` and the API act. Throws only what concerns every subject; what one is refused keeps no other back. */
export async function performAction(name: ActionName, request: ActionRequest): Promise<ActionOutcome[]> {
  const outcomes = await PERFORM[name](request);
  await fleetOf(request.web).reread(outcomes.map(({ subject }) => subject));
  return outcomes;
}

type Perform = (request: ActionRequest) => Promise<ActionOutcome[]>;

const PERFORM: Readonly<Record<ActionName, Perform>> = {
  async renew(request) {
    const { web, input } = request;
    selected(input.certificates);
    const { renewals } = await renew(web, input, decisionOf(request));
    return renewals.map(({ certificate, renewalId, via, hurried, error }): ActionOutcome => {
      if (error !== null)
        return {
          subject: certificate,
          done: false,
          what: error.message,
          renewalId,
          code: error.code,
          action: error.action,
        };
      const started =
        via === "queue" ? "its renewal has started" : "its renewal is recorded and starts when Redis is back";
      return done(certificate, hurried ? "is in flight: its next attempt starts now" : started, renewalId);
    });
  },
  retry: each(async (request, of) => {
    const report = await retry(request.web, of, decisionOf(request));
    return "renewalId" in report
      ? done(of, "its renewal goes on now", report.renewalId)
      : done(of, "the planner decides at its next tick", null);
  }),
  resume: each(async (request, of) => {
    const { renewalId } = await resume(request.web, of, decisionOf(request));
    return done(
      of,
      renewalId === null ? "is resumed; the planner decides at its next tick" : "is resumed and goes on now",
      renewalId,
    );
  }),
  pause: each(async (request, certificate) => {
    const until = request.input.until === null ? null : iso(request.input.until);
    const { inFlight, outlasts } = await pause(request.web, { certificate, until }, needed(request));
    const end = request.input.until === null ? "until it is resumed" : `until ${formatInstant(request.input.until)}`;
    const note =
      outlasts === null
        ? ""
        : `; it would renew ${outlasts.dueAt.slice(0, 10)} and expires ${outlasts.expiresAt.slice(0, 10)}`;
    return done(
      certificate,
      `is paused ${end}${inFlight === null ? "" : "; its renewal in flight goes on"}${note}`,
      inFlight,
    );
  }),
  deploy: each(async (request, certificate) => {
    const { targets, generation } = request.input;
    const report = await deploy(request.web, { certificate, targets, generation }, decisionOf(request));
    return done(certificate, `generation ${report.generation} is deployed and proved again`, report.renewalId);
  }),
  rollback: each(async (request, of) => {
    const { generation, renewalId } = await rollBack(request.web, of, needed(request));
    return done(of, `an earlier pair goes back everywhere as generation ${generation}`, renewalId);
  }),
  rehearse: each(async (request, name) => {
    await requestRehearsal(request.web, name, decisionOf(request));
    return done(name, "is being rehearsed; what is found is in its history within minutes", null);
  }),
  dial: each(async ({ web, signal }, name) => {
    const certificate = certificateNamed(web.estate().certificates, name);
    const steps = await tryEndpoints(web.renewal, certificate, AbortSignal.any([signal, AbortSignal.timeout(DIAL_MS)]));
    const failed = steps.filter(({ result }) => result === "failed");
    const said = steps.map(({ step, message }) => `${step}: ${message}`).join("; ");
    const [error] = failed.map((step) => step.error);
    return {
      subject: name,
      done: failed.length === 0,
      what: said,
      renewalId: null,
      code: error?.code ?? null,
      action: error?.facts.action ?? null,
    };
  }),
  check: each(async (request, name) => {
    beginCheck(request.web, name, decisionOf(request));
    return done(name, "is being checked; what is found is on its page within a minute", null);
  }),
  "check-target": (request) =>
    settle(request.input.targets, async (target) => {
      const { passed, message, error } = await checkTarget(request.web, target, decisionOf(request));
      const [code, action] = [error?.code ?? null, error?.action ?? null];
      return { subject: target, done: passed, what: message, renewalId: null, code, action };
    }),
  async "test-channel"(request) {
    const { channels: wanted } = request.input;
    const reports = await Promise.all(
      (wanted.length === 0 ? [null] : wanted).map((channel) => testChannels(request.web, channel, decisionOf(request))),
    );
    return reports
      .flatMap(({ channels }) => channels)
      .map(({ channel, sent, error }) => ({
        ...{ subject: channel, done: sent, what: error === null ? "took the test message" : error.message },
        ...{ renewalId: null, code: error?.code ?? null, action: error?.action ?? null },
      }));
  },
  async audit({ web, by }) {
    beginAudit(web, by);
    return [done("The history", "is being audited; the verdict is here within minutes, with its time", null)];
  },
  async acknowledge(request) {
    const { web, input } = request;
    const until = input.until === null ? ACKNOWLEDGED_FOR : iso(input.until);
    const decision = needed(request);
    return settle(input.subjects, async (subject) => {
      const report = await acknowledge(web, { subject, until }, decision);
      return done(subject, `is acknowledged until ${report.until?.slice(0, 16) ?? ""}`, null);
    });
  },
  withdraw: ({ web, input, by }) =>
    settle(input.subjects, async (subject) => {
      await withdrawAcknowledgement(web, subject, { by });
      return done(subject, "is no longer acknowledged", null);
    }),
  async "take-alert"(request) {
    const { web, input } = request;
    const decision = needed(request);
    return settle(input.subjects, async (alert) => {
      await acknowledgeAlert(web, { alert, via: "page" }, decision);
      return done(alert, `is acknowledged by ${decision.by ?? "somebody"}`, null);
    });
  },
  "leave-alert": ({ web, input, by }) =>
    settle(input.subjects, async (alert) => {
      await withdrawAlertAcknowledgement(web, alert, { by });
      return done(alert, "goes to the next ones again", null);
    }),
  async exercise(request) {
    const { certificate } = await startExercise(request.web, decisionOf(request));
    return [done(certificate, "is broken within seconds, until its alert is acknowledged", null)];
  },
  async drill(request) {
    const { web, input } = request;
    selected(input.certificates);
    const { id, certificates, refused } = await drill(web, drillRequest(input, false), needed(request));
    const out = refused.map(({ certificate, why }) => ({ ...done(certificate, why, null), done: false }));
    const many = plural(certificates.length, "certificate is", "certificates are");
    return [done(id ?? "", `${certificates.length} ${many} replaced and measured`, null), ...out];
  },
  async replace(request) {
    const decision = needed(request);
    const {
      id,
      certificates,
      deadline,
      refused: left,
    } = await replace(request.web, replaceRequest(request.input, false), decision);
    const out = left.map(({ certificate, why }) => ({ ...done(certificate, why, null), done: false }));
    return [done(id ?? "", `replaces ${certificates.length} certificates by ${deadline.slice(0, 16)}`, null), ...out];
  },
  async "cancel-replacement"(request) {
    const { id } = await cancel(request.web, request.input.replacement.id, decisionOf(request));
    return [done(id, "is cancelled; renewals in flight go on", null)];
  },
  async "ignore-found"(request) {
    const { web, input } = request;
    const decision = needed(request);
    const until = iso(input.until) ?? IGNORED_FOR;
    return settle(input.subjects, async (fingerprint) => {
      const { until: end } = await ignoreInventory(web, { fingerprint, until }, decision);
      return done(fingerprint, `is ignored until ${end?.slice(0, 10) ?? ""}`, null);
    });
  },
  "unignore-found": (request) =>
    settle(request.input.subjects, async (fingerprint) => {
      await ignoreInventory(request.web, { fingerprint, until: null }, decisionOf(request));
      return done(fingerprint, "is ignored no longer", null);
    }),
};

export function replaceRequest(
  { replacement: { issuer, san, to, waves }, until }: ActionInput,
  dryRun: boolean,
): Parameters<typeof replace>[1] {
  if (issuer === "" && san === "")
    throw new RenewalError("request.invalid", "say which certificates: an issuer, a name, or both");
  const orNull = (text: string): string | null => (text === "" ? null : text);
  return {
    ...{ issuer: orNull(issuer), san: orNull(san), to: orNull(to), waves, dryRun },
    ...{ serials: null, intermediate: null, profile: null, deadline: until === null ? REPLACED_BY : iso(until) },
  };
}

function decisionOf({ by, input }: ActionRequest): Decision {
  return { by, reason: input.reason === "" ? null : input.reason };
}

function needed(request: ActionRequest): Decision {
  if (request.input.reason === "")
    throw new RenewalError("request.invalid", "reason: say why, for those who read the history");
  return decisionOf(request);
}

/** A name that is wrong must not leave the others half done. */
function each(one: (request: ActionRequest, certificate: string) => Promise<ActionOutcome>): Perform {
  return async (request) => {
    const { web, input } = request;
    selected(input.certificates);
    for (const name of input.certificates) certificateNamed(web.estate().certificates, name);
    return settle(input.certificates, (certificate) => one(request, certificate));
  };
}

function selected(names: readonly string[]): void {
  if (names.length === 0) throw new RenewalError("request.invalid", "nothing is selected");
}

async function settle(
  subjects: readonly string[],
  one: (subject: string) => Promise<ActionOutcome>,
): Promise<ActionOutcome[]> {
  selected(subjects);
  const outcomes: ActionOutcome[] = [];
  for (const subject of subjects) {
    try {
      outcomes.push(await one(subject));
    } catch (thrown) {
      const error = toRenewalError(thrown);
      // What concerns all of them is said once.
      if (error.code === "request.invalid" && error.message.startsWith("reason:")) throw error;
      outcomes.push({
        subject,
        done: false,
        what: error.message,
        renewalId: null,
        code: error.code,
        action: error.facts.action,
      });
    }
  }
  return outcomes;
}

function done(subject: string, what: string, renewalId: string | null): ActionOutcome {
  return { subject, done: true, what, renewalId, code: null, action: null };
}
