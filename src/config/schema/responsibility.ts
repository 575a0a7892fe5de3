import { z } from "zod";
import { CRITICALITIES } from "../../domain/responsibility.ts";

const LABELS_MAX = 20;
const RULES_MAX = 1_000;

const word = z
  .string()
  .trim()
  .min(1)
  .max(100)
  .regex(/^[^\p{Cc}\p{Cf}]+$/u, "must be one line of plain text");
const patterns = z.array(z.string().min(1).max(255)).min(1).max(1_000).optional();

/** What a certificate, a target (below `responsibility`) and the defaults may say, and what a pattern sets. */
export const responsibilityKeys = {
  owner: word.optional().describe("Who answers for it, such as `alice@example.org`."),
  team: word.optional().describe("The team that answers for it."),
  labels: z
    .record(
      z.string().regex(/^[a-zA-Z0-9][a-zA-Z0-9._/-]{0,62}$/, "is no label: use letters, digits and . _ / -"),
      word,
    )
    .refine((labels) => Object.keys(labels).length <= LABELS_MAX, `has more than ${LABELS_MAX} labels`)
    .optional()
    .describe(
      "Labels to find and group it by, such as `{ app: shop, stage: production }`; those of defaults are kept.",
    ),
  criticality: z
    .enum(CRITICALITIES)
    .optional()
    .describe("How much it hurts when it fails; the most critical come first. Default: normal."),
  runbook: z
    .url({ protocol: /^https?$/, error: "must be an http or https URL" })
    .max(500)
    .optional()
    .describe("URL of what to do when it fails; shown beside every failure and in every notification."),
};

/** A target's own `owner` is the system user of the files that it writes, its `labels` are those of what it creates. */
const { owner: _owner, labels: _labels, ...targetKeys } = responsibilityKeys;
export const targetResponsibilityKeys = targetKeys;

export const responsibilitySchema = z
  .array(
    z
      .strictObject({
        certificates: patterns.describe("Names of certificates; `*` stands for any characters: `shop-*`."),
        names: patterns.describe("Certificates with one of these names: `*.shop.example.org`."),
        targets: patterns.describe("Names of targets: `lb-*`."),
        ...responsibilityKeys,
      })
      .refine(
        ({ certificates, names, targets }) => certificates ?? names ?? targets,
        "says nothing of what it is about: add `certificates`, `names` or `targets`",
      ),
  )
  .max(RULES_MAX)
  .default([])
  .describe(
    "Who answers for what, by pattern, instead of saying it at each certificate and target. For each key the first " +
      "entry that fits and has it counts; what a certificate or target says itself comes before, `defaults` behind.",
  );

export type ResponsibilityRule = z.output<typeof responsibilitySchema>[number];
export type WrittenResponsibility = Pick<ResponsibilityRule, keyof typeof responsibilityKeys>;

const values = z.array(word).min(1).max(100).optional();

/** Whose troubles a channel is sent. */
export const concernSchema = z
  .strictObject({
    owners: values.describe("Only what one of these owners answers for."),
    teams: values.describe("Only what one of these teams answers for."),
    labels: z
      .array(z.string().regex(/^[^=]+=.+$/, "must be key=value"))
      .min(1)
      .max(100)
      .optional()
      .describe("Only what has one of these labels, as `key=value`."),
    criticality: z.array(z.enum(CRITICALITIES)).min(1).optional().describe("Only what hurts this much."),
  })
  .refine((about) => Object.keys(about).length > 0, "says nothing: name owners, teams, labels or criticality")
  .describe(
    "Whose certificates and targets it is about. Default: everybody's. What no channel is about goes to every channel.",
  );
