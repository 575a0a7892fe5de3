import { z } from "zod";
import { CERTIFICATE_MODES, KEY_TYPES, WAVE_FAILURES } from "../../domain/certificate.ts";
import {
  HTTPS_PORT,
  PROXY_PROTOCOLS,
  type ProxyProtocol,
  STARTTLS_PROTOCOLS,
  type StartTlsProtocol,
} from "../../domain/endpoint.ts";
import type { Identifier } from "../../domain/identifier.ts";
import { duration } from "./duration.ts";
import { checkHost, checkHostAndPort } from "./endpoints.ts";
import { type Checked, checkDnsName, checkIdentifier } from "./identifiers.ts";
import { maintenanceSchema } from "./maintenance.ts";
import { responsibilityKeys } from "./responsibility.ts";
import { secretReference } from "./secretReference.ts";
import { vantagesSchema } from "./vantages.ts";

/** More than any public CA puts into one certificate; what each allows is the issuer's `namesMax`. */
const NAMES_MAX = 1_000;

/** An endpoint as written; server name and target are completed by the rules. */
export interface EndpointEntry {
  readonly host: string;
  readonly port?: number | undefined;
  readonly sni?: string | undefined;
  readonly target?: string | undefined;
  readonly starttls?: StartTlsProtocol | undefined;
  readonly proxyProtocol?: ProxyProtocol | undefined;
  readonly alpn?: readonly string[] | undefined;
  readonly handshakeTimeout?: number | undefined;
  readonly vantages?: readonly string[] | undefined;
}

const identifier = z.string().transform((text, context) => take<Identifier>(checkIdentifier(text), context));
const serverName = z.string().transform((text, context) => take(checkDnsName(text), context));
const host = z.string().transform((text, context) => take(checkHost(text), context));

export const endpointSchema = z.union([
  z.string().transform((text, context): EndpointEntry => take(checkHostAndPort(text, HTTPS_PORT), context)),
  z.strictObject({
    host: host.describe("Host name or IP address to dial; every address of a name is dialled."),
    port: z
      .int()
      .min(1)
      .max(65_535)
      .optional()
      .describe("TCP port. Default: 443, or with `starttls` the usual one of that protocol."),
    sni: serverName
      .optional()
      .describe(
        "Server name sent in the handshake. Default: the host if the certificate covers it, else the " +
          "certificate's first name.",
      ),
    target: z.string().optional().describe("The target behind this endpoint. Default: any of the certificate's."),
    starttls: z
      .enum(STARTTLS_PROTOCOLS)
      .optional()
      .describe("Protocol that begins in plain text and then changes to TLS. Default: none, TLS from the first byte."),
    proxyProtocol: z
      .enum(PROXY_PROTOCOLS)
      .optional()
      .describe("Version of the PROXY protocol header that the server expects first. Default: none is sent."),
    alpn: z
      .array(z.string().regex(/^[\x21-\x7e]{1,255}$/, "must be a protocol's name, such as h2"))
      .min(1)
      .max(10)
      .optional()
      .describe(
        "Application protocols to offer (ALPN), for a server that chooses its certificate by them or refuses clients " +
          "without, such as `[h2]` or `[dot]`. Default: none is offered.",
      ),
    handshakeTimeout: duration({ min: "100ms", max: "2m" })
      .optional()
      .describe("Limit of one connection, from connect to the end of the handshake. Default: 5s."),
    vantages: vantagesSchema
      .min(1)
      .optional()
      .describe("The `vantages` of this file that reach it, such as `[office]`. Default: all of them."),
  }),
]);

const renewal = z.strictObject({
  atFractionLeft: z
    .number()
    .gt(0)
    .lt(1)
    .optional()
    .describe("Renew when this fraction of the lifetime is left. Default: 1/3, or 1/2 for lifetimes below 10 days."),
  jitter: z
    .number()
    .min(0)
    .max(1)
    .optional()
    .describe("Fraction of the window over which renewals are spread. Default: 0.1."),
});

const wave = z.strictObject({
  targets: z.array(z.string()).min(1).max(100).describe("Names of targets that get the pair together."),
  bake: duration({ min: "1s", max: "7d" })
    .optional()
    .describe(
      "Time from deployed until the wave is proved a second time; only then does the next one start. Default: none.",
    ),
  failureBudget: z
    .int()
    .min(0)
    .max(100)
    .optional()
    .describe("Targets and endpoints of the wave that may fail without stopping the renewal. Default: 0."),
});

const shared = {
  issuer: z.string().optional().describe("Name of an issuer."),
  issuers: z
    .array(z.string())
    .min(1)
    .max(10)
    .optional()
    .describe(
      "Instead of `issuer`: names of issuers in order of preference. The next one is turned to when one cannot do it.",
    ),
  solver: z
    .union([z.string(), z.array(z.string()).min(1).max(10)])
    .optional()
    .describe(
      "Name of a solver, or a list: for each name the first that its `zones` fit and whose challenge the CA offers. " +
        "Wildcards are answered by DNS only, IP addresses never by DNS.",
    ),
  mode: z
    .enum(CERTIFICATE_MODES)
    .optional()
    .describe(
      "`observe`: watch, verify, plan and notify, but order and deploy nothing, as for a first day beside other " +
        "tooling. Default: renew.",
    ),
  keyType: z.enum(KEY_TYPES).optional().describe("Type of the key. Default: ecdsa-p256."),
  dropDeadNames: z
    .boolean()
    .optional()
    .describe(
      "Issue without names whose validation failed 3 times while others succeeded; never without the first. " +
        "Default: false, they are only reported.",
    ),
  targets: z.array(z.string()).min(1).max(100).optional().describe("Names of targets, in the order they are deployed."),
  waves: z
    .array(wave)
    .min(1)
    .max(20)
    .optional()
    .describe(
      "Instead of `targets`: targets in waves, such as a canary first. A wave starts when the one before is " +
        "proved live at the endpoints of its targets; endpoints without `target` belong to the last.",
    ),
  onWaveFailure: z
    .enum(WAVE_FAILURES)
    .optional()
    .describe(
      "When a new pair fails in a wave. `hold`: the targets behind it keep the old pair until `renewd resume` or " +
        "`renewd rollback`, but not into its emergency. `rollBack`: the last pair proved live goes back by itself. " +
        "`fail`: the renewal ends and is tried again. Default: `hold` with `waves`, else `fail`.",
    ),
  renewal: renewal.optional().describe("When to renew."),
  maintenance: maintenanceSchema
    .optional()
    .describe(
      "When routine renewals may begin. What a certificate says replaces the defaults. Nothing waits so long that " +
        "it becomes an emergency.",
    ),
  profile: z
    .string()
    .regex(/^[\x21-\x7e]{1,100}$/, "must be the name of a profile, without spaces")
    .optional()
    .describe("Profile of the CA, such as `shortlived`. Default: the CA chooses."),
  preferredChain: z
    .string()
    .min(1)
    .max(200)
    .optional()
    .describe(
      "Among the chains a CA offers, the one to this root: its common name, or SHA-256 fingerprint in hex. " +
        "Default: the CA's first.",
    ),
  reuseKey: z
    .boolean()
    .optional()
    .describe("Renew with the same key, for those who pin it. Default: false, a new key each time."),
  verifyTimeout: duration({ min: "1s", max: "1h" })
    .optional()
    .describe("Time an endpoint may take from deployed to served. Default: 60s."),
  ...responsibilityKeys,
};

const csr = z.strictObject({
  file: z
    .string()
    .max(1_000)
    .startsWith("/", "must be an absolute path: workers on any machine look for it there")
    .describe("The request, PEM or DER, for exactly the certificate's `names` and `keyType`."),
  privateKey: secretReference.describe("Reference to the key it was made with, unencrypted PEM: targets need it."),
});

export const defaultsSchema = z.strictObject(shared);

export const certificateSchema = z.strictObject({
  names: z
    .array(identifier)
    .min(1)
    .max(NAMES_MAX, `has more than ${NAMES_MAX} names, the most that renewd orders: split the certificate`)
    .describe(
      "DNS names (internationalised ones as they are written), wildcards such as `*.example.org`, IP addresses.",
    ),
  ...shared,
  csr: csr
    .optional()
    .describe(
      "Order with a certificate signing request of your own (PKCS#10) instead of a key and request made for each " +
        "renewal. Both files are read when ordering. Excludes `reuseKey` and `dropDeadNames`.",
    ),
  endpoints: z
    .array(endpointSchema)
    .max(100)
    .optional()
    .describe(
      "Where clients meet the certificate: `host:port`, or an object. At least one, because only a handshake there " +
        "proves a renewal, unless no client meets any of the targets: secret stores, and targets with `served: false`.",
    ),
  sacrificial: z
    .boolean()
    .default(false)
    .describe("Nothing depends on it: `exercise` may break it on purpose. Never true of what anybody uses."),
  mustStaple: z
    .never({
      error:
        "cannot be used: CAs ended OCSP (Let's Encrypt on 2025-08-06), so a must-staple certificate is refused by " +
        "browsers; remove this key",
    })
    .optional()
    .describe("Always refused: CAs ended OCSP, so nothing could be stapled."),
});

export type CertificateEntry = z.output<typeof certificateSchema>;
export type DefaultsEntry = z.output<typeof defaultsSchema>;

function take<T>(checked: Checked<T>, context: z.RefinementCtx): T {
  if ("value" in checked) return checked.value;
  context.addIssue({ code: "custom", message: checked.problem });
  return z.NEVER;
}
