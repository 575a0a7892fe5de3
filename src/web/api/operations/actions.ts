import { z } from "zod";
import { draftAcknowledgement, withdrawAcknowledgement } from "../../../actions/acknowledge.ts";
import type { ActionError } from "../../../actions/context.ts";
import { pause } from "../../../actions/pause.ts";
import { requestRehearsal } from "../../../actions/rehearse.ts";
import { renew } from "../../../actions/renew.ts";
import { cancel, draftReplace } from "../../../actions/replace.ts";
import { revocationDraft, revoke } from "../../../actions/revoke.ts";
import { deploy, resume, retry, rollBack } from "../../../actions/steer.ts";
import { RenewalError } from "../../../domain/errors.ts";
import { isErrorCode } from "../../../domain/errorTable.ts";
import { replacementNamed } from "../../../reports/replacements.ts";
import { fleetOf } from "../../fleet.ts";
import { idFrom } from "../idempotency.ts";
import { operation } from "../operation.ts";
import {
  acknowledgeBody,
  deployBody,
  pauseBody,
  reasonBody,
  renewBody,
  renewManyBody,
  replaceBody,
  revokeBody,
  withdrawBody,
} from "./bodies.ts";
import { currentCertificate } from "./certificates.ts";
import { renewalOf } from "./history.ts";
import { replacementOf } from "./state.ts";
import { certificateState, renewalState, replacementState } from "./states.ts";
import { assertConfigured, certificateParams, orNotFound, renewalParams, replacementParams } from "./subjects.ts";

type Definition = Parameters<typeof operation<typeof certificateParams, undefined, z.ZodObject>>[0];
type RenewalDefinition = Parameters<typeof operation<typeof renewalParams, undefined, typeof reasonBody>>[0];

/** What every action on one certificate has in common. */
const onCertificate = (verb: string) =>
  ({
    method: "post",
    path: `/certificates/{certificate}/${verb}`,
    tag: "Act",
    params: certificateParams,
    changes: {
      shown: ({ web, params }) => currentCertificate(web, params.certificate),
      state: (store, { params }) => certificateState(store, params.certificate),
    },
  }) as const satisfies Partial<Definition>;

const onRenewal = (verb: string) =>
  ({
    method: "post",
    path: `/renewals/{renewal}/${verb}`,
    tag: "Act",
    params: renewalParams,
    body: reasonBody,
    changes: {
      shown: ({ web, params }) => renewalOf(web, params.renewal),
      state: (store, { params }) => renewalState(store, params.renewal),
    },
  }) as const satisfies Partial<RenewalDefinition>;

const CLOCK_TIMEOUT_MS = 15_000;

function asError({ code, message }: ActionError): RenewalError {
  return new RenewalError(isErrorCode(code) ? code : "internal.bug", message);
}

const STEERED = { document: "RenewalActionReport" };

export const actionOperations = [
  operation({
    ...onCertificate("renew"),
    id: "renewCertificate",
    summary: "Ask for its renewal now, past any pause and back-off.",
    body: renewBody,
    answer: { document: "RenewReport" },
    status: 202,
    async prepare({ web, params: { certificate }, body: { force = false }, decision }) {
      assertConfigured(web, certificate);
      // As a planner does before it takes a request: no decision by a wrong clock.
      await web.renewal.clockGuard.check(AbortSignal.timeout(CLOCK_TIMEOUT_MS));
      return async (inside) => {
        const report = await renew(inside, { certificates: [certificate], force }, decision);
        const [entry] = report.renewals;
        return entry === undefined || entry.error === null ? report : asError(entry.error);
      };
    },
  }),
  operation({
    id: "renewCertificates",
    method: "post",
    path: "/renewals",
    tag: "Act",
    summary: "Ask for several renewals; each is answered by itself.",
    body: renewManyBody,
    reachesOut: true,
    answer: { document: "RenewReport" },
    status: 202,
    run({ web, body: { certificates, force = false }, decision, headers }) {
      for (const each of certificates) assertConfigured(web, each);
      const key = headers.get("idempotency-key");
      const idOf = key === null ? undefined : (name: string) => idFrom([decision.by ?? "", key, name]);
      return renew(web, { certificates, force }, decision, idOf);
    },
  }),
  operation({
    ...onCertificate("deploy"),
    id: "deployCertificate",
    summary: "Deploy a pair that exists once more and prove it live; nothing is issued.",
    body: deployBody,
    answer: STEERED,
    status: 202,
    run({ web, params: { certificate }, body: { targets = [], generation = null }, decision }) {
      assertConfigured(web, certificate);
      return deploy(web, { certificate, targets, generation }, decision);
    },
  }),
  operation({
    ...onCertificate("rollback"),
    id: "rollBackCertificate",
    summary: "Put the last pair that was proved live back everywhere.",
    body: reasonBody,
    answer: STEERED,
    status: 202,
    run({ web, params: { certificate }, decision }) {
      assertConfigured(web, certificate);
      return rollBack(web, certificate, decision);
    },
  }),
  operation({
    ...onCertificate("retry"),
    id: "retryCertificate",
    summary: "Try again now, past any back-off, without issuing another certificate.",
    body: reasonBody,
    answer: z.looseObject({ version: z.literal(1), certificate: z.string(), renewalId: z.string().optional() }),
    status: 202,
    run({ web, params: { certificate }, decision }) {
      assertConfigured(web, certificate);
      return retry(web, certificate, decision);
    },
  }),
  operation({
    ...onCertificate("pause"),
    id: "pauseCertificate",
    summary: "Plan no renewal until it is resumed. One in flight goes on.",
    body: pauseBody,
    answer: { document: "PauseReport" },
    run({ web, params: { certificate }, body: { until = null }, decision }) {
      assertConfigured(web, certificate);
      return pause(web, { certificate, until }, decision);
    },
  }),
  operation({
    ...onCertificate("resume"),
    id: "resumeCertificate",
    summary: "End what keeps it waiting for a person: a held renewal, a pause or a quarantine.",
    body: reasonBody,
    answer: z.looseObject({ version: z.literal(1), certificate: z.string(), renewalId: z.string().nullable() }),
    run({ web, params: { certificate }, decision }) {
      assertConfigured(web, certificate);
      return resume(web, certificate, decision);
    },
  }),
  operation({
    ...onCertificate("rehearse"),
    id: "rehearseCertificate",
    summary: "Have a planner try everything a renewal does but touch production.",
    description: "It takes minutes; what it finds is the event `certificate.rehearsed`.",
    body: reasonBody,
    answer: z.object({ certificate: z.string(), begun: z.literal(true) }),
    status: 202,
    run({ web, params: { certificate }, decision }) {
      assertConfigured(web, certificate);
      return requestRehearsal(web, certificate, decision);
    },
  }),
  operation({
    ...onRenewal("resume"),
    id: "resumeRenewal",
    summary: "A held renewal tries its failed wave again.",
    answer: STEERED,
    status: 202,
    async run({ web, params: { renewal }, decision }) {
      await renewalOf(web, renewal);
      return resume(web, renewal, decision);
    },
  }),
  operation({
    ...onRenewal("retry"),
    id: "retryRenewal",
    summary: "Its next attempt begins now.",
    answer: z.looseObject({ version: z.literal(1), certificate: z.string() }),
    status: 202,
    async run({ web, params: { renewal }, decision }) {
      await renewalOf(web, renewal);
      return retry(web, renewal, decision);
    },
  }),
  operation({
    ...onRenewal("rollback"),
    id: "rollBackRenewal",
    summary: "Put the pair before it back everywhere.",
    answer: STEERED,
    status: 202,
    async run({ web, params: { renewal }, decision }) {
      await renewalOf(web, renewal);
      return rollBack(web, renewal, decision);
    },
  }),
  operation({
    id: "revoke",
    method: "post",
    path: "/revocations",
    tag: "Act",
    summary: "Revoke a certificate at its CA and replace it at once by one with a new key.",
    body: revokeBody,
    reachesOut: true,
    answer: { document: "RevokeReport" },
    run: ({ web, body: { of, revocationReason }, decision }) => revoke(web, { of, reason: revocationReason }, decision),
  }),
  operation({
    id: "draftRevocation",
    method: "get",
    path: "/revocations/draft",
    tag: "See",
    summary: "What would be revoked.",
    query: z.strictObject({ of: z.string().min(1).max(200).describe("A certificate, or a serial.") }),
    answer: z.object({ certificate: z.string(), generation: z.int(), serial: z.string() }),
    run: ({ web, query: { of } }) => revocationDraft(web, of),
  }),
  operation({
    id: "startReplacement",
    method: "post",
    path: "/replacements",
    tag: "Act",
    summary: "Have every selected certificate replaced, ahead of routine work.",
    body: replaceBody,
    answer: { document: "ReplaceReport" },
    async prepare({ web, body, decision }) {
      return draftReplace(
        web,
        {
          issuer: body.issuer ?? null,
          serials: body.serials ?? null,
          san: body.san ?? null,
          intermediate: body.intermediate ?? null,
          profile: body.profile ?? null,
          to: body.to ?? null,
          waves: body.waves ?? [],
          deadline: body.deadline,
          dryRun: body.dryRun ?? false,
        },
        decision,
      );
    },
  }),
  operation({
    id: "cancelReplacement",
    method: "post",
    path: "/replacements/{replacement}/cancel",
    tag: "Act",
    summary: "Replace no more for it; renewals in flight go on.",
    params: replacementParams,
    body: reasonBody,
    answer: { document: "ReplaceCancelReport" },
    changes: {
      async shown({ web, params }) {
        await fleetOf(web).reread([]);
        return replacementOf(web, params.replacement);
      },
      state: (store, { params }) => replacementState(store, params.replacement),
    },
    async run({ web, params: { replacement }, decision }) {
      await orNotFound(() => replacementNamed(web.renewal.store, replacement));
      return cancel(web, replacement, decision);
    },
  }),
  operation({
    id: "acknowledge",
    method: "post",
    path: "/acknowledgements",
    tag: "Act",
    summary: "Say that a finding was seen and can wait.",
    body: acknowledgeBody,
    answer: { document: "AcknowledgeReport" },
    prepare: ({ web, body: { subject, until = "7d" }, decision }) =>
      draftAcknowledgement(web, { subject, until }, decision),
  }),
  operation({
    id: "withdrawAcknowledgement",
    method: "post",
    path: "/acknowledgements/withdraw",
    tag: "Act",
    summary: "It cannot wait after all.",
    body: withdrawBody,
    answer: { document: "AcknowledgeReport" },
    run: ({ web, body: { subject }, decision }) => withdrawAcknowledgement(web, subject, decision),
  }),
];
