import { RenewalError, toRenewalError } from "../../domain/errors.ts";
import type { Renewal } from "../../domain/renewal.ts";
import { DAY_MS, formatInstant, MINUTE_MS } from "../../domain/time.ts";
import { acknowledge, withdrawAcknowledgement } from "../../renewal/operator/acknowledge.ts";
import { pause } from "../../renewal/operator/pause.ts";
import { redeploy } from "../../renewal/operator/redeploy.ts";
import { heldRenewal, resumeRenewal } from "../../renewal/operator/resume.ts";
import { resumeCertificate, retryNow } from "../../renewal/operator/retry.ts";
import { rollBackRenewal } from "../../renewal/operator/rollBack.ts";
import { draftReplacement, type ReplacementRequest, startReplacement } from "../../renewal/plan/replacement.ts";
import { type RehearsalStep, rehearse } from "../../renewal/watch/rehearse.ts";
import { tryEndpoints } from "../../renewal/watch/tryEndpoints.ts";
import type { WebContext } from "../context.ts";
import { fleetOf } from "../fleet.ts";
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

type Perform = (request: ActionRequest) => Promise<ActionOutcome[]>;

/** A rehearsal orders at a staging directory and may wait for DNS; an answer must come before the browser stops waiting. */
const REHEARSAL_MS = MINUTE_MS;
const DIAL_MS = 20_000;
const ACKNOWLEDGED_MS = DAY_MS;
const REPLACED_BY_MS = 5 * DAY_MS;

/** The same functions as `renewd` calls; each may be repeated. Throws only what concerns every subject. */
export async function performAction(name: ActionName, request: ActionRequest): Promise<ActionOutcome[]> {
  const outcomes = await PERFORM[name](request);
  await fleetOf(request.web).reread(outcomes.map(({ subject }) => subject));
  return outcomes;
}

const PERFORM: Readonly<Record<ActionName, Perform>> = {
  async renew({ web, input, by }) {
    known(web, input.certificates);
    const wish = { force: input.force, reason: input.reason || null, by };
    const answers = await web.requestRenewals(input.certificates, wish);
    return answers.map((answer) =>
      answer.kind === "refused"
        ? refused(answer.certificate, answer.error)
        : done(
            answer.certificate,
            answer.hurried ? "is in flight: its next attempt starts now" : startedBy(answer.via),
            answer.renewalId,
          ),
    );
  },
  retry: each(async ({ web, input, by }, of) => {
    const renewal = await retryNow(web.renewal, { of, why: input.reason || null, by });
    return done(
      of,
      renewal === null ? "the planner decides at its next tick" : "its renewal goes on now",
      idOf(renewal),
    );
  }),
  resume: each(async ({ web, input, by }, of) => {
    const decision = { of, why: input.reason || null, by };
    const held = (await heldRenewal(web.renewal, of)) !== null;
    const renewal = await (held ? resumeRenewal : resumeCertificate)(web.renewal, decision);
    return done(
      of,
      renewal === null ? "is resumed; the planner decides at its next tick" : "is resumed and goes on now",
      idOf(renewal),
    );
  }),
  pause: each(async ({ web, input, by }, certificate) => {
    const { store, clock } = web.renewal;
    if (input.reason === "") throw new RenewalError("request.invalid", "reason: say why it is paused");
    await pause(store, { certificate, reason: input.reason, until: input.until, by }, clock.now());
    const active = await store.renewals.active(certificate);
    const until = input.until === null ? "until it is resumed" : `until ${formatInstant(input.until)}`;
    return done(
      certificate,
      `is paused ${until}${active === null ? "" : "; its renewal in flight goes on"}`,
      idOf(active),
    );
  }),
  deploy: each(async ({ web, input, by }, certificate) => {
    const { targets, generation, reason } = input;
    const renewal = await redeploy(web.renewal, { certificate, targets, generation, by, why: reason || null });
    return done(certificate, `generation ${renewal.generation} is deployed and proved again`, renewal.id);
  }),
  rollback: each(async ({ web, input, by }, of) => {
    const renewal = await rollBackRenewal(web.renewal, { of, why: input.reason || null, by });
    return done(of, `an earlier pair goes back everywhere as generation ${renewal.generation}`, renewal.id);
  }),
  rehearse: each(async ({ web, signal }, name) => {
    const certificate = configured(web, name);
    const until = AbortSignal.any([signal, AbortSignal.timeout(REHEARSAL_MS)]);
    const steps = await rehearse(web.renewal, certificate, web.renewal.services.rehearsal(certificate.issuer), until);
    return stepsOutcome(name, "the rehearsal", [...steps, ...(await tryEndpoints(web.renewal, certificate, until))]);
  }),
  dial: each(async ({ web, signal }, name) => {
    const until = AbortSignal.any([signal, AbortSignal.timeout(DIAL_MS)]);
    return stepsOutcome(name, "every endpoint", await tryEndpoints(web.renewal, configured(web, name), until));
  }),
  async acknowledge({ web, input, by }) {
    if (input.reason === "") throw new RenewalError("request.invalid", "reason: say why it can wait");
    const { alerts, status } = await fleetOf(web).read();
    const { store, clock } = web.renewal;
    const at = clock.now();
    const until = input.until ?? at + ACKNOWLEDGED_MS;
    return settle(input.subjects, async (subject) => {
      const found = alerts.find((alert) => alert.subject === subject);
      if (found === undefined)
        throw new RenewalError("request.invalid", `"${subject.slice(0, 80)}" is no finding any more`);
      const trouble = status.problems.find(({ certificate }) => certificate === subject);
      const kinds = trouble === undefined ? [found.kind] : trouble.problems.map(({ kind }) => kind);
      const certificate = trouble === undefined ? null : subject;
      await acknowledge(store, { subject, certificate, kinds, reason: input.reason, by, at, until });
      return done(subject, `is acknowledged until ${formatInstant(until)}`, null);
    });
  },
  async withdraw({ web, input, by }) {
    const { store, clock } = web.renewal;
    return settle(input.subjects, async (subject) => {
      const certificate = web.renewal.services.certificate(subject)?.name ?? null;
      await withdrawAcknowledgement(store, { subject, certificate, by, at: clock.now() });
      return done(subject, "is no longer acknowledged", null);
    });
  },
  async replace({ web, input, by }) {
    const request = replacementRequest(web, input, by);
    const draft = await draftReplacement(web.renewal, request);
    const { id } = await startReplacement(web.renewal, request, draft);
    const members = draft.members.map(({ certificate }) =>
      done(certificate.name, `is replaced by ${formatInstant(request.deadline)}`, null),
    );
    return [done(id, `replaces ${members.length} certificates`, null), ...members];
  },
  async "cancel-replacement"({ web, input }) {
    const { store, clock } = web.renewal;
    const found = (await store.replacements.list()).find(({ id }) => id === input.replacement.id);
    if (found === undefined) throw new RenewalError("request.invalid", "there is no replacement of this id");
    await store.replacements.end(found.id, clock.now());
    return [done(found.id, "is cancelled; renewals in flight go on", null)];
  },
};

/** Throws `request.invalid` for a selection that says nothing. */
export function replacementRequest(
  web: WebContext,
  { replacement, until, reason }: ActionInput,
  by: string,
): ReplacementRequest {
  const { issuer, san, to, waves } = replacement;
  if (issuer === "" && san === "")
    throw new RenewalError("request.invalid", "say which certificates: an issuer, a name, or both");
  const { issuers } = web.config();
  if (to !== "" && !issuers.has(to))
    throw new RenewalError("request.invalid", `to: there is no issuer "${to.slice(0, 80)}"`);
  const parts = Object.entries({ issuer, san, to, waves: waves.join(",") }).filter(([, value]) => value !== "");
  const described = `${parts.map(([key, value]) => `--${key} ${value}`).join(" ")}${reason === "" ? "" : `: ${reason}`} (by ${by})`;
  return {
    selection: {
      ...(issuer !== "" && (issuers.has(issuer) ? { issuer } : { signedBy: issuer })),
      ...(san !== "" && { san }),
    },
    described: described.slice(0, 500),
    issuer: to === "" ? null : to,
    deadline: until ?? web.renewal.clock.now() + REPLACED_BY_MS,
    waves,
  };
}

function each(one: (request: ActionRequest, certificate: string) => Promise<ActionOutcome>): Perform {
  return async (request) => {
    known(request.web, request.input.certificates);
    return settle(request.input.certificates, (certificate) => one(request, certificate));
  };
}

/** One after another; what one is refused keeps no other from being done. */
async function settle(
  subjects: readonly string[],
  one: (subject: string) => Promise<ActionOutcome>,
): Promise<ActionOutcome[]> {
  if (subjects.length === 0) throw new RenewalError("request.invalid", "nothing is selected");
  const outcomes: ActionOutcome[] = [];
  for (const subject of subjects) {
    try {
      outcomes.push(await one(subject));
    } catch (thrown) {
      outcomes.push(refused(subject, toRenewalError(thrown)));
    }
  }
  return outcomes;
}

/** All or nothing: a name that is wrong must not leave the others half done. */
function known(web: WebContext, names: readonly string[]): void {
  if (names.length === 0) throw new RenewalError("request.invalid", "no certificate is selected");
  for (const name of names) configured(web, name);
}

function configured(web: WebContext, name: string) {
  const certificate = web.renewal.services.certificate(name);
  if (certificate === null)
    throw new RenewalError("request.invalid", `"${name.slice(0, 80)}" is no certificate of the configuration`);
  return certificate;
}

function startedBy(via: "queue" | "database"): string {
  return via === "queue" ? "its renewal has started" : "its renewal is recorded; it starts when Redis is back";
}

function stepsOutcome(subject: string, noun: string, steps: readonly RehearsalStep[]): ActionOutcome {
  const failed = steps.filter(({ result }) => result === "failed");
  const said = steps.map(
    ({ step, result, message }) => `${step}: ${result === "notChecked" ? "not checked" : result}, ${message}`,
  );
  const what =
    steps.length === 0
      ? "there is nothing to try"
      : `${noun} ${failed.length === 0 ? "passed" : "failed"} – ${said.join("; ")}`;
  const [error] = failed.map((step) => step.error);
  return {
    subject,
    done: failed.length === 0,
    what,
    renewalId: null,
    code: error?.code ?? null,
    action: error?.facts.action ?? null,
  };
}

function done(subject: string, what: string, renewalId: string | null): ActionOutcome {
  return { subject, done: true, what, renewalId, code: null, action: null };
}

function refused(subject: string, { code, message, facts }: RenewalError): ActionOutcome {
  return { subject, done: false, what: message, renewalId: null, code, action: facts.action };
}

function idOf(renewal: Renewal | null): string | null {
  return renewal?.id ?? null;
}
