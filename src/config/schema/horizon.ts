import { z } from "zod";
import { CLEAR_TEXT_REFUSED, isClearText } from "../../domain/loopback.ts";
import { responsibilityKeys } from "./responsibility.ts";

const entry = z.strictObject({
  name: z
    .string()
    .trim()
    .min(1)
    .max(100)
    .regex(/^[^\p{Cc}\p{Cf}]+$/u, "must be one line of plain text")
    .describe("What it is, such as `SSH certificate of renewd`."),
  ends: z
    .union([z.iso.date(), z.iso.datetime({ offset: true })], {
      error: "must be a date such as 2027-01-31, or an instant such as 2027-01-31T12:00:00Z",
    })
    .transform((text) => Date.parse(text))
    .describe("When it ends: a date (UTC), or an instant with its offset."),
  owner: responsibilityKeys.owner,
  runbook: responsibilityKeys.runbook,
});

const horizon = z.strictObject({
  declared: z
    .array(entry)
    .max(1_000)
    .refine((entries) => new Set(entries.map(({ name }) => name)).size === entries.length, "two have the same name")
    .default([])
    .describe("Ends that no API tells: EAB keys, SSH certificates, contracts."),
  rdap: z
    .url({ protocol: /^https?$/, error: "must be an http or https URL" })
    .refine((text) => !isClearText(text), CLEAR_TEXT_REFUSED)
    .optional()
    .describe(
      "Bootstrap file that names the RDAP service of each top-level domain (RFC 9224), such as " +
        "`https://data.iana.org/rdap/dns.json`: then the registries are asked when each registered domain ends. " +
        "Default: nobody is asked.",
    ),
  signatures: z
    .boolean()
    .default(false)
    .describe("Ask the name servers of each registered domain when its DNSSEC signatures run out."),
});

export const horizonSchema = horizon
  .prefault({})
  .describe("What else ends and breaks renewals then: tokens, domains, signatures, and what only you know of.");
