import { html } from "hono/html";
import { replace } from "../../actions/replace.ts";
import { RenewalError, toRenewalError } from "../../domain/errors.ts";
import { formatDuration, formatInstant } from "../../domain/time.ts";
import { headline } from "../../renewal/rules/alerts/messages.ts";
import { pairBefore } from "../../renewal/steps/rollBack.ts";
import { inventoryEntry } from "../../renewal/watch/discover.ts";
import { exerciseProblem } from "../../renewal/watch/exercise.ts";
import { nextVersionOf } from "../../reports/lists/nextVersion.ts";
import type { ActionInput } from "./actions/input.ts";
import type { ActionName } from "./actions/names.ts";
import { replaceRequest } from "./actions/perform.ts";
import { type ActionText, type PlanLine, perCertificate, refusal } from "./actionText.ts";
import { CHECK_TEXTS } from "./checkPlans.ts";
import { DRILL_TEXT } from "./drillPlan.ts";
import type { PageFacts } from "./facts.ts";
import { type Html, NOTHING, plural } from "./parts/markup.ts";

/** The page cannot break anything then; the action refuses it as well. */
const NO_EXERCISE =
  "No certificate is configured to be broken. Choose one that nothing depends on, give it `sacrificial: true` in " +
  "renewd.yaml, and add `exercise: { certificate: NAME }`: docs/alerts.md has the rest.";

const untilField = (label: string, input: ActionInput, hint: string): Html =>
  html`<p><label for="until">${label}</label> <input id="until" name="until" placeholder="2d, or 2026-12-01"
    maxlength="40" value="${input.untilText}" /> <span class="quiet">${hint}</span></p>`;

/** What each page of an action says. */
export const ACTION_TEXTS: Readonly<Record<ActionName, ActionText>> = {
  ...CHECK_TEXTS,
  drill: DRILL_TEXT,
  renew: {
    title: "Renew now",
    verb: "Renew",
    needsReason: false,
    plan: perCertificate("asks for a renewal past any pause and back-off", ({ member, decision, now }, { force }) => {
      if (member.certificate.mode === "observe") return refusal("it is observed only");
      if (member.active !== null) return `its renewal in flight (${member.active.state}) makes its next attempt now`;
      const isDue = decision !== null && (decision.due || decision.blockedBy !== null);
      if (!isDue && !force && member.version !== null)
        return refusal("nothing is due: tick the box below to issue a new certificate anyway");
      return nextVersionOf(member, now);
    }),
    fields: ({ force }) =>
      html`<p><label><input type="checkbox" name="force" value="yes"${
        force ? html` checked` : NOTHING
      } /> Issue a new certificate even where nothing is due</label></p>`,
  },
  retry: {
    title: "Try again now",
    verb: "Try again",
    needsReason: false,
    plan: perCertificate("tries again without issuing another certificate", ({ member }) => {
      if (member.active?.state === "held") return "its failed wave is tried once more";
      return member.active === null
        ? "its back-off ends: the planner decides, its endpoints are dialled and its targets inspected"
        : `its renewal (${member.active.state}) makes its next attempt now`;
    }),
  },
  resume: {
    title: "Resume",
    verb: "Resume",
    needsReason: false,
    plan: perCertificate("ends what waits for a person", ({ member }) => {
      if (member.active?.state === "held") return "its failed wave is tried once more";
      return member.record?.pausedAt == null
        ? "it is not paused: its back-off ends"
        : "its pause ends and its back-off is forgotten";
    }),
  },
  pause: {
    title: "Pause",
    verb: "Pause",
    needsReason: true,
    plan: perCertificate(
      "plans no renewal until resumed; an expired certificate is renewed all the same",
      ({ member, expiresAt }) => {
        const runs = member.active === null ? "" : "its renewal in flight goes on; ";
        return `${runs}${expiresAt === null ? "nothing was issued yet" : `it expires ${formatInstant(expiresAt)}`}`;
      },
    ),
    fields: (input) => untilField("Until", input, "empty: until somebody resumes it"),
  },
  deploy: {
    title: "Deploy again",
    verb: "Deploy",
    needsReason: false,
    plan: perCertificate(
      "deploys a pair that exists and proves it live; nothing is issued",
      ({ member }, { targets, generation }) => {
        if (member.certificate.mode === "observe") return refusal("it is observed only");
        if (member.version === null) return refusal("nothing was issued yet");
        if (member.active !== null) return refusal(`a renewal is ${member.active.state}: wait for its end`);
        const where = targets.length === 0 ? member.certificate.targets.join(", ") : targets.join(", ");
        return generation === null || generation === member.version.generation
          ? `generation ${member.version.generation} to ${where}`
          : `generation ${generation} comes back everywhere as the next one`;
      },
    ),
  },
  rollback: {
    title: "Roll back",
    verb: "Roll back",
    needsReason: true,
    plan: perCertificate("puts the last pair that was proved live back everywhere", async (examined, _input, facts) => {
      const { certificate, version } = examined.member;
      if (certificate.mode === "observe") return refusal("it is observed only");
      if (version === null) return refusal("nothing was issued yet");
      const { store } = facts.web.renewal;
      const to = await pairBefore(store, certificate.name, version.generation, facts.now);
      if (to === null) return refusal("it has no earlier pair that was proved live and is still valid");
      const where = certificate.targets.join(", ");
      return `generation ${to.generation} comes back to ${where} as generation ${version.generation + 1}`;
    }),
  },
  acknowledge: {
    title: "Acknowledge",
    verb: "Acknowledge",
    needsReason: true,
    plan({ snapshot }, { subjects }) {
      const lines = subjects.map((subject): PlanLine => {
        const found = snapshot.alerts.find((alert) => alert.subject === subject);
        return { subject, outcome: found?.what ?? "", refused: found === undefined ? "is no finding any more" : null };
      });
      return {
        sentence: "It is still shown, but nobody is called for it until then. Another kind of problem is red again.",
        lines,
        problem: null,
      };
    },
    fields: (input) => untilField("Until", input, "empty: for a day"),
  },
  withdraw: {
    title: "Withdraw an acknowledgement",
    verb: "Withdraw",
    needsReason: false,
    plan: (_facts, { subjects }) => ({
      sentence: "It cannot wait after all: people are called for it again.",
      lines: subjects.map((subject) => ({ subject, outcome: "is red again", refused: null })),
      problem: null,
    }),
  },
  "take-alert": {
    title: "Take an alert on",
    verb: "Acknowledge",
    needsReason: true,
    async plan({ web }, { subjects }) {
      const lines = await Promise.all(subjects.map((subject) => alertLine(web, subject, "is yours")));
      const sentence = "It goes to nobody else until it gets worse. Those who know of it are told that you have it.";
      return { sentence, lines, problem: null };
    },
  },
  "leave-alert": {
    title: "Give an alert back",
    verb: "Give back",
    needsReason: false,
    async plan({ web }, { subjects }) {
      const lines = await Promise.all(subjects.map((subject) => alertLine(web, subject, "is nobody's")));
      return { sentence: "It goes to the next ones again, as the configuration says.", lines, problem: null };
    },
  },
  exercise: {
    title: "Exercise the alarm",
    verb: "Break it",
    needsReason: false,
    async plan({ web, now }) {
      const { store, services, settings } = web.renewal;
      const { exercise } = settings.alerts;
      const sentence = "It gets an expired pair, and its alert goes out as any other. Who acknowledges it ends that.";
      if (exercise === null) return { sentence, lines: [], problem: NO_EXERCISE, isFinal: true };
      const outcome = `is broken until somebody acknowledges, for ${formatDuration(exercise.acknowledgeMs)} at most`;
      const problem = await exerciseProblem(store, services, exercise.certificate, now);
      return { sentence, lines: [{ subject: exercise.certificate, outcome, refused: problem }], problem: null };
    },
  },
  replace: {
    title: "Replace many certificates",
    verb: "Replace",
    needsReason: true,
    async plan({ web, actor }, input) {
      const sentence =
        "Every selected certificate is replaced ahead of routine work, within the CA's limits, by the deadline.";
      const { issuer, san } = input.replacement;
      if (issuer === "" && san === "")
        return { sentence, lines: [], problem: "Say which certificates, then look at the plan." };
      try {
        const decision = { by: actor.name, reason: null };
        const { certificates, refused } = await replace(web, replaceRequest(input, true), decision);
        const lines = [
          ...certificates.map(
            (subject): PlanLine => ({ subject, outcome: "its latest generation is replaced", refused: null }),
          ),
          ...refused.map(({ certificate, why }): PlanLine => ({ subject: certificate, outcome: "", refused: why })),
        ];
        return {
          sentence: `${sentence} ${certificates.length} ${plural(certificates.length, "certificate")}.`,
          lines,
          problem: certificates.length === 0 ? "No issued certificate fits." : null,
        };
      } catch (thrown) {
        return { sentence, lines: [], problem: toRenewalError(thrown).message };
      }
    },
    fields: (input) => replacementFields(input),
  },
  "ignore-found": {
    title: "Ignore a certificate that was found",
    verb: "Ignore",
    needsReason: true,
    async plan({ web }, { subjects }) {
      const lines = await Promise.all(subjects.map((subject) => foundLine(web, subject, "raises no alert until then")));
      return { sentence: "Somebody else takes care of it: say who, and until when.", lines, problem: null };
    },
    fields: (input) => untilField("Until", input, "empty: for 90 days"),
  },
  "unignore-found": {
    title: "Ignore a certificate no longer",
    verb: "Ignore it no longer",
    needsReason: false,
    async plan({ web }, { subjects }) {
      const lines = await Promise.all(subjects.map((subject) => foundLine(web, subject, "raises alerts again")));
      return { sentence: "It is one of those that nobody manages again.", lines, problem: null };
    },
  },
  "cancel-replacement": {
    title: "Cancel a replacement",
    verb: "Cancel it",
    needsReason: false,
    plan({ snapshot }, { replacement: { id } }) {
      const found = snapshot.replacements.find((each) => each.id === id);
      if (found === undefined) throw new RenewalError("request.invalid", "there is no replacement of this id");
      const left = found.certificates - found.done;
      return {
        sentence: `${left} ${plural(left, "certificate")} will not be replaced for it; renewals in flight go on.`,
        lines: [],
        problem: null,
      };
    },
  },
};

function replacementFields({ replacement: { issuer, san, to, wavesText }, untilText }: ActionInput): Html {
  const field = (name: string, label: string, value: string, hint: string): Html =>
    html`<p><label for="${name}">${label}</label> <input id="${name}" name="${name}" value="${value}" maxlength="255"
      autocomplete="off" /> <span class="quiet">${hint}</span></p>`;
  const ofIssuer = "as configured; of any other name, those signed by a CA of that name";
  return html`${field("issuer", "Of issuer", issuer, ofIssuer)}
    ${field("san", "With a name", san, "*.shop.example.org; * matches any characters")}
      ${field("to", "Order from", to, "empty: as configured")}
    ${field("waves", "Waves", wavesText, "1,20: one first, then twenty, then the rest")}
    <p><label for="until">Deadline</label> <input id="until" name="until" placeholder="5d" maxlength="40"
      value="${untilText}" /> <span class="quiet">empty: in five days</span></p>
    <p><button class="button plain" formmethod="get" formaction="/actions/replace"
      formnovalidate>Show the plan</button></p>`;
}

async function alertLine({ renewal }: PageFacts["web"], subject: string, outcome: string): Promise<PlanLine> {
  const alert = await renewal.store.alerts.get(subject);
  if (alert === null || alert.resolvedAt !== null)
    return { subject, outcome: "", refused: "is no open alert any more" };
  return { subject, outcome: `${headline(alert)}: ${outcome}`, refused: null };
}

async function foundLine({ renewal }: PageFacts["web"], subject: string, outcome: string): Promise<PlanLine> {
  try {
    const { certificate } = await inventoryEntry(renewal, subject);
    const called = certificate.names[0] ?? certificate.subject;
    return { subject, outcome: called === "" ? outcome : `${called}: ${outcome}`, refused: null };
  } catch (thrown) {
    const { code, message } = toRenewalError(thrown);
    if (code !== "request.invalid") throw thrown;
    return { subject, outcome: "", refused: message };
  }
}
