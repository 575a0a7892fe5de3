import { z } from "zod";
import { REASON_LENGTH_MAX } from "../../../actions/context.ts";
import { DRILL_SCENARIOS } from "../../../domain/drill.ts";
import { REVOCATION_REASONS, type RevocationReason } from "../../../domain/issuer.ts";

const NAMES_MAX = 1_000;
const SERIALS_MAX = 10_000;

const name = z.string().min(1).max(100);
const reason = z.string().max(REASON_LENGTH_MAX).optional().describe("Why, for the history.");
const neededReason = z
  .string()
  .trim()
  .min(1, "must say why")
  .max(REASON_LENGTH_MAX)
  .describe("Why; shown wherever the decision is.");
const WHEN =
  /^(?:\d{1,6}[smhdw]|\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?(?:Z|[+-]\d{2}:\d{2})?)?)$/;
const when = z.string().regex(WHEN, "must be a duration such as 2d, or an instant such as 2026-12-01T10:00:00Z");

export const reasonBody = z.strictObject({ reason });

export const neededReasonBody = z.strictObject({ reason: neededReason });

export const renewBody = z.strictObject({
  force: z.boolean().optional().describe("Issue a new certificate even though nothing is due."),
  reason,
});

export const renewManyBody = renewBody.extend({
  certificates: z.array(name).min(1).max(NAMES_MAX).describe("All are known, or none is renewed."),
});

export const deployBody = z.strictObject({
  targets: z.array(name).max(NAMES_MAX).optional().describe("Only to these of its targets. Default: all."),
  generation: z.int().min(1).optional().describe("An earlier one, which comes back everywhere. Default: the latest."),
  reason,
});

export const pauseBody = z.strictObject({
  until: when.optional().describe("Resume by itself: a duration from now, or an instant. Default: until resumed."),
  reason: neededReason,
});

export const acknowledgeBody = z.strictObject({
  subject: z.string().min(1).max(300).describe("A certificate with problems, or the `subject` of an alert."),
  until: when.optional().describe("Red again then: a duration from now, or an instant. Default: 7d."),
  reason: neededReason,
});

export const ignoreBody = neededReasonBody.extend({ until: when.describe("When that ends, such as `90d`.") });

export const withdrawBody = z.strictObject({ subject: z.string().min(1).max(300) });

// Its own keys.
const REASON_NAMES = Object.keys(REVOCATION_REASONS) as [RevocationReason, ...RevocationReason[]];

export const revokeBody = z.strictObject({
  of: z.string().min(1).max(200).describe("A certificate, whose latest generation is meant, or a serial."),
  revocationReason: z.enum(REASON_NAMES).describe("What the CA is told (RFC 5280 §5.3.1)."),
  reason,
});

const waves = z
  .array(z.int().min(1).max(999_999))
  .max(10)
  .optional()
  .describe("How many first, second …; each wave begins when all before are proved live.");
const dryRun = z.boolean().optional().describe("Show whom it concerns and record nothing.");

export const drillBody = z.strictObject({
  certificates: z.array(name).max(NAMES_MAX).optional().describe("Default: all that have the labels."),
  labels: z.array(z.string().max(200)).max(20).optional().describe("Each `key=value`; all must be there."),
  scenario: z.enum(DRILL_SCENARIOS).optional().describe("What to pretend. Default: revoked."),
  issuer: name.optional().describe("Order from this issuer, which their configuration must name."),
  waves,
  deadline: when.optional().describe("What is not proved by then was too slow. Default: 1h."),
  dryRun,
  reason,
});

export const replaceBody = z.strictObject({
  issuer: z
    .string()
    .min(1)
    .max(200)
    .optional()
    .describe("Those of this issuer; of any other name, those signed by a CA certificate whose name contains it."),
  serials: z.array(z.string().max(80)).min(1).max(SERIALS_MAX).optional().describe("Those with these serials, in hex."),
  san: z.string().min(1).max(255).optional().describe("Those with a name such as `*.shop.example.org`."),
  intermediate: z.string().max(100).optional().describe("Those whose chain holds this SHA-256 fingerprint."),
  profile: z.string().min(1).max(64).optional().describe("Those that ask for this profile of the CA."),
  to: name.optional().describe("Order from this issuer, which their configuration must name."),
  waves,
  deadline: when.describe("A duration from now, or an instant."),
  dryRun,
  reason,
});
