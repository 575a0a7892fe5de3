import { z } from "zod";
import { KEY_TYPES } from "../../domain/certificate.ts";
import { duration } from "./duration.ts";
import { limitsSchema } from "./limits.ts";
import { secretReference } from "./secretReference.ts";

const HTTPS_ADVICE = "must be an https URL without user or fragment: ACME refuses anything else (RFC 8555 §6.1)";

const directoryUrl = z
  .string()
  .max(2_000)
  .regex(/^https:\/\//, { error: HTTPS_ADVICE, abort: true })
  .refine(isPlainHttps, HTTPS_ADVICE);

const proxyUrl = z
  .string()
  .max(2_000)
  .regex(/^http:\/\//, { error: "must be an http URL such as http://proxy.example.org:3128", abort: true })
  .refine(hasNoCredentials, {
    error: "must hold neither user nor password: renewd has none for a proxy, so let it permit this host",
    abort: true,
  })
  .refine(isHostAndPort, "must be host and port only, such as http://proxy.example.org:3128");

const issuerFields = z.strictObject({
  directory: directoryUrl.describe("URL of the CA's ACME directory; https only."),
  contact: z
    .array(z.string().regex(/^[^\s@,;:<>?&]+@[^\s@,;:<>?&]+$/, "must be a mail address such as ops@example.org"))
    .max(10)
    .default([])
    .describe("Mail addresses the CA may write to."),
  trust: z
    .string()
    .min(1)
    .optional()
    .describe(
      "PEM file of the CAs that sign the directory's own TLS certificate. Default: those of the system and of Node.",
    ),
  proxy: proxyUrl
    .optional()
    .describe(
      "HTTP proxy to reach the CA through, such as `http://proxy.example.org:3128`: by CONNECT, so that the CA's " +
        "own TLS certificate is still what `trust` is about. Default: none; the environment's proxy variables are " +
        "not read.",
    ),
  termsOfServiceAgreed: z
    .literal(true, { error: "must be true: read the CA's terms of service and agree to them" })
    .describe("You have read the CA's terms of service and agree to them."),
  externalAccount: z
    .strictObject({
      keyId: z.string().min(1).describe("Key identifier the CA gave you."),
      hmacKey: secretReference.describe("Reference to the base64url HMAC key the CA gave you."),
    })
    .optional()
    .describe("External account binding (RFC 8555 §7.3.4), for CAs that demand it."),
  limits: limitsSchema
    .optional()
    .describe(
      "What the CA allows; renewd sends nothing beyond it. Default: Let's Encrypt's own limits for its " +
        "directories, none for other CAs.",
    ),
  staging: directoryUrl
    .optional()
    .describe(
      "Directory URL of the CA's staging system, for `renewd rehearse`. Default: known for Let's Encrypt, else none.",
    ),
  privateAddresses: z
    .boolean()
    .optional()
    .describe(
      "Whether URLs that the CA names, such as those of its revocation lists, may lead to this machine and to private " +
        "networks; never to link-local addresses and to metadata services of clouds. Default: only if the directory " +
        "itself is in a private network.",
    ),
  distrusted: z
    .boolean()
    .default(false)
    .describe("Never order from this CA again, and replace every certificate it has issued."),
  quarantined: z.boolean().optional().meta({ deprecated: true }).describe("Old name of `distrusted`; still read."),
  keyTypes: z
    .array(z.enum(KEY_TYPES))
    .min(1)
    .optional()
    .describe("Key types the CA certifies. Default: all; checked before it is turned to as a fallback."),
  identifierTypes: z
    .array(z.enum(["dns", "ip"]))
    .min(1)
    .optional()
    .describe("Kinds of names the CA certifies. Default: both; checked like `keyTypes`."),
  namesMax: z
    .int()
    .min(1)
    .max(1_000)
    .optional()
    .describe(
      "Names that the CA certifies at most in one certificate. Default: 100 for the public CAs known, else 1000.",
    ),
  requestTimeout: duration({ min: "1s", max: "10m" }).prefault("30s").describe("Limit of one request to the CA."),
  orderTimeout: duration({ min: "5s", max: "2h" })
    .prefault("10m")
    .describe("Limit of one attempt at an order, validation included."),
});

/** oldNames.ts refuses a file with both names. */
export const issuerSchema = issuerFields.transform(({ quarantined, ...issuer }) => ({
  ...issuer,
  distrusted: issuer.distrusted || quarantined === true,
}));

function isPlainHttps(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const url = new URL(text);
  return url.protocol === "https:" && url.username === "" && url.password === "" && url.hash === "";
}

function hasNoCredentials(text: string): boolean {
  if (!URL.canParse(text)) return true;
  const { username, password } = new URL(text);
  return username === "" && password === "";
}

function isHostAndPort(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, pathname, search, hash } = new URL(text);
  return protocol === "http:" && pathname === "/" && search === "" && hash === "";
}
