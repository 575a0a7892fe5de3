import { z } from "zod";
import { acknowledge, withdrawAcknowledgement } from "../../../actions/acknowledge.ts";
import { pause } from "../../../actions/pause.ts";
import { beginRehearsal } from "../../../actions/rehearse.ts";
import { renew } from "../../../actions/renew.ts";
import { cancel, replace } from "../../../actions/replace.ts";
import { revocationDraft, revoke } from "../../../actions/revoke.ts";
import { deploy, resume, retry, rollBack } from "../../../actions/steer.ts";
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
import { assertConfigured, certificateParams, renewalParams } from "./subjects.ts";

type Definition = Parameters<typeof operation<typeof certificateParams, undefined, z.ZodObject>>[0];

/** What every action on one certificate has in common. */
const onCertificate = (verb: string) =>
  ({
    method: "post",
    path: `/certificates/{certificate}/${verb}`,
    tag: "Act",
    params: certificateParams,
    changes: ({ web, params }) => currentCertificate(web, params.certificate),
  }) as const satisfies Partial<Definition>;

const onRenewal = (verb: string) =>
  ({
    method: "post",
    path: `/renewals/{renewal}/${verb}`,
    tag: "Act",
    params: renewalParams,
    body: reasonBody,
  }) as const;

const STEERED = { document: "RenewalActionReport" };

export const actionOperations = [
  operation({
    ...onCertificate("renew"),
    id: "renewCertificate",
    summary: "Ask for its renewal now, past any pause and back-off.",
    body: renewBody,
    answer: { document: "RenewReport" },
    status: 202,
    run({ web, params: { certificate }, body: { force = false }, decision }) {
      assertConfigured(web, certificate);
      return renew(web, { certificates: [certificate], force }, decision);
    },
  }),
  operation({
    id: "renewCertificates",
    method: "post",
    path: "/renewals",
    tag: "Act",
    summary: "Ask for several renewals; each is answered by itself.",
    body: renewManyBody,
    answer: { document: "RenewReport" },
    status: 202,
    run({ web, body: { certificates, force = false }, decision }) {
      for (const each of certificates) assertConfigured(web, each);
      return renew(web, { certificates, force }, decision);
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
    summary: "Begin to try everything a renewal does but touch production.",
    description: "It takes minutes; what it finds is the event `certificate.rehearsed`.",
    body: reasonBody,
    answer: z.object({ certificate: z.string(), begun: z.literal(true) }),
    status: 202,
    async run({ web, params: { certificate }, decision }) {
      assertConfigured(web, certificate);
      beginRehearsal(web, certificate, decision);
      return { certificate, begun: true };
    },
  }),
  operation({
    ...onRenewal("resume"),
    id: "resumeRenewal",
    summary: "A held renewal tries its failed wave again.",
    answer: STEERED,
    status: 202,
    changes: ({ web, params }) => renewalOf(web, params.renewal),
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
    changes: ({ web, params }) => renewalOf(web, params.renewal),
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
    changes: ({ web, params }) => renewalOf(web, params.renewal),
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
    run: ({ web, body, decision }) =>
      replace(
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
      ),
  }),
  operation({
    id: "cancelReplacement",
    method: "post",
    path: "/replacements/{replacement}/cancel",
    tag: "Act",
    summary: "Replace no more for it; renewals in flight go on.",
    params: z.strictObject({ replacement: z.string().min(1).max(100) }),
    body: reasonBody,
    answer: { document: "ReplaceCancelReport" },
    run: ({ web, params: { replacement }, decision }) => cancel(web, replacement, decision),
  }),
  operation({
    id: "acknowledge",
    method: "post",
    path: "/acknowledgements",
    tag: "Act",
    summary: "Say that a finding was seen and can wait.",
    body: acknowledgeBody,
    answer: { document: "AcknowledgeReport" },
    run: ({ web, body: { subject, until = "7d" }, decision }) => acknowledge(web, { subject, until }, decision),
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
