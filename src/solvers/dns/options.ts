import { isIP } from "node:net";
import { z } from "zod";
import {
  parseSecretReference,
  SECRET_REFERENCE,
  SECRET_REFERENCE_ADVICE,
  type SecretReference,
} from "../../domain/secretReference.ts";
import { HOUR_MS, parseDuration } from "../../domain/time.ts";

/** The longest that anything here may be told to wait. */
const WAIT_MAX_MS = 6 * HOUR_MS;
const RESOLVERS_MAX = 10;
const TTL_MAX_S = 86_400;

/** An option that points to a secret, read at each use. */
export const secretOption: z.ZodType<SecretReference, string> = z
  .string({ error: (issue) => (issue.input === undefined ? undefined : SECRET_REFERENCE_ADVICE) })
  .regex(SECRET_REFERENCE, { error: SECRET_REFERENCE_ADVICE, abort: true })
  .transform(parseSecretReference);

/** `30s`, `10m` in configuration; milliseconds in code. */
export const durationOption: z.ZodType<number, string> = z
  .string()
  .regex(/^[1-9]\d{0,5}(ms|s|m|h)$/, {
    error: "give a number and its unit, such as 500ms, 30s, 10m or 1h",
    abort: true,
  })
  .transform((text) => parseDuration(text, ["ms", "s", "m", "h"]) ?? Number.NaN)
  .refine((ms) => ms <= WAIT_MAX_MS, "longer than 6h");

/** A DNS name without final dot, in lower-case A-labels; underscores are allowed. */
export const DNS_NAME =
  /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*$/;
const dnsName = z
  .string()
  .transform((text) => text.toLowerCase().replace(/\.$/, ""))
  .refine((text) => DNS_NAME.test(text), "must be a DNS name, internationalised ones in A-labels (xn--…)");

/** `192.0.2.1`, `192.0.2.1:53`, `[2001:db8::1]:53` or the https URL of a DoH server (RFC 8484). */
export type ResolverOption =
  | { readonly kind: "dns"; readonly address: string; readonly port: number }
  | { readonly kind: "https"; readonly url: string };

const RESOLVER_ADVICE = "give an IP address, with a port if it is not 53, or the https URL of a DoH server";

export function parseResolver(text: string): ResolverOption | null {
  if (text.startsWith("https://")) return URL.canParse(text) ? { kind: "https", url: text } : null;
  const [, bracketed, plain, port] = /^(?:\[([0-9a-fA-F:.]+)\]|([^[\]]+?))(?::(\d{1,5}))?$/.exec(text) ?? [];
  // An IPv6 address without brackets has colons of its own, and no port.
  const address = isIP(text) === 6 ? text : (bracketed ?? plain ?? "");
  const number = isIP(text) === 6 || port === undefined ? 53 : Number(port);
  return isIP(address) === 0 || number < 1 || number > 65_535 ? null : { kind: "dns", address, port: number };
}

const resolver = z.string().transform((text, context): ResolverOption => {
  const parsed = parseResolver(text);
  if (parsed !== null) return parsed;
  context.addIssue({ code: "custom", message: RESOLVER_ADVICE });
  return z.NEVER;
});

export const resolversOption = z
  .array(resolver)
  .min(1)
  .max(RESOLVERS_MAX)
  .optional()
  .describe(
    "Resolvers that see DNS as the CA does: `1.1.1.1`, `10.0.0.1:5353`, `https://dns.google/dns-query`. " +
      "Default: the system's.",
  );

export const PROPAGATION_CHECKS = ["authoritative", "resolvers", "none"] as const;

const propagation = z.strictObject({
  check: z
    .enum(PROPAGATION_CHECKS)
    .optional()
    .describe(
      "Whom renewd asks before the CA is asked: every `authoritative` server of the zone, only the solver's " +
        "`resolvers`, or `none`. Default: authoritative.",
    ),
  delay: durationOption.optional().describe("Wait this long before the first check. Default: no wait."),
  timeout: durationOption
    .optional()
    .describe("Give up when the value is not everywhere by then. Default: what the provider is known to need."),
  unknown: durationOption
    .optional()
    .describe(
      "When servers cannot be reached from here, such as with port 53 blocked: wait this long and go on. " +
        "Default: 60s.",
    ),
});

/** What every DNS solver takes besides the options of its kind. */
export const dnsOptions = {
  zone: z
    .string()
    .min(1)
    .max(255)
    .optional()
    .describe("The zone to use, by the provider's id or by name, where the provider has several that fit."),
  ttl: z.int().min(0).max(TTL_MAX_S).optional().describe("TTL of the TXT records in seconds. Default: 60."),
  resolvers: resolversOption,
  follow: z
    .union([z.enum(["auto", "never"]), dnsName])
    .optional()
    .describe(
      "CNAME at `_acme-challenge.NAME`: `auto` follows one that really exists into a zone that a solver owns, " +
        "`never` follows none, and a name is where the value goes without asking DNS. Default: auto.",
    ),
  propagation: propagation.optional().describe("How renewd makes sure that the CA will see the value."),
};

const dnsOptionsSchema = z.strictObject(dnsOptions);
export type DnsOptions = z.infer<typeof dnsOptionsSchema>;
