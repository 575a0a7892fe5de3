import { z } from "zod";
import { KEY_TYPES } from "../../domain/certificate.ts";
import { SEVERITIES } from "../../domain/notification.ts";
import { checkDnsName } from "./identifiers.ts";
import { concernSchema, targetResponsibilityKeys } from "./responsibility.ts";

/** Name of an issuer, solver, target or certificate: it ends up in paths, URLs and queue payloads. */
export const NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/;
export const NAME_ADVICE =
  "is not a valid name: use 1 to 64 of a-z, 0-9, dot, underscore and hyphen, beginning with a letter or digit";
export const name = z.string().regex(NAME, NAME_ADVICE);

/** Its other keys are the plugin's options, checked by the plugin itself. */
export const pluginSchema = z.looseObject({ type: z.string().describe("Kind, from the list of installed ones.") });

/** A solver answers for every name that its kind can validate, unless it says otherwise. */
export const solverSchema = pluginSchema.extend({
  zones: z
    .array(
      z.string().transform((text, context) => {
        const checked = checkDnsName(text);
        if ("value" in checked) return checked.value;
        context.addIssue({ code: "custom", message: checked.problem });
        return z.NEVER;
      }),
    )
    .min(1)
    .max(1_000)
    .optional()
    .describe("Answer only for names in these domains: `example.org` covers www.example.org. Default: all."),
});

/** A target is deployed to by any deployer worker, unless it says otherwise. */
export const targetSchema = pluginSchema.extend({
  agent: z
    .boolean()
    .default(false)
    .describe("Deploy only by `renewd worker deployer --targets NAME`, started on the machine that owns it."),
  served: z
    .boolean()
    .optional()
    .describe(
      "False: no client meets the pair at this target, so certificates that go only to such targets need no " +
        "`endpoints`. Default: true, but false for secret stores.",
    ),
  takes: z
    .strictObject({
      keyTypes: z.array(z.enum(KEY_TYPES)).min(1).optional().describe("Only certificates with a key of these types."),
      namesMax: z.int().min(1).optional().describe("Only certificates with at most this many names."),
      profiles: z
        .array(z.string().min(1).max(64))
        .min(1)
        .optional()
        .describe("Only certificates that ask for one of these profiles of a CA, or for none."),
    })
    .default({})
    .describe(
      "What you know it to be limited in, such as clients behind it that know no ECDSA: `renewd plan` says what " +
        "does not fit before anything is issued.",
    ),
  ...targetResponsibilityKeys,
});

/** A channel is notified from a severity on. */
export const channelSchema = pluginSchema.extend({
  from: z
    .enum(SEVERITIES)
    .default("warning")
    .describe("Notify of what is at least this severe: `info`, `warning`, or `page` when a person is needed now."),
  about: concernSchema.optional(),
});
