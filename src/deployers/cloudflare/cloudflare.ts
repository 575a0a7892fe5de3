import { X509Certificate } from "node:crypto";
import { z } from "zod";
import type { Deployer, DeployRequest, InspectRequest, InstalledPair } from "../../domain/deployer.ts";
import type { DeployReceipt } from "../../domain/deployment.ts";
import { RenewalError } from "../../domain/errors.ts";
import type { Plugin } from "../../domain/plugin.ts";
import { sanitize } from "../../domain/text.ts";
import { DAY_MS } from "../../domain/time.ts";
import type { IssuedCertificate, Leaf } from "../../domain/version.ts";
import type { DeployerDependencies } from "../base/dependencies.ts";
import { durationOption } from "../base/duration.ts";
import { pairPem } from "../base/pairPem.ts";
import { secretOption } from "../base/secretOption.ts";
import { secretUrl } from "../base/secretUrl.ts";
import { type Cloudflare, type CustomCertificate, createCloudflare, type Upload } from "./client.ts";

const ID = /^[0-9a-f]{32}$/;

const optionsSchema = z.strictObject({
  zone: z
    .string()
    .regex(ID, "give the zone's ID, 32 hexadecimal digits, as its overview page shows it")
    .describe("ID of the zone."),
  token: secretOption.describe(
    "API token with the permission Zone › SSL and Certificates › Edit: env:NAME or file:/path.",
  ),
  certificateId: z
    .string()
    .regex(ID, "give the ID of a custom certificate, 32 hexadecimal digits")
    .optional()
    .describe(
      "Custom certificate to replace at first. Default: the one for the very same hosts and kind of signature, " +
        "else a new one.",
    ),
  bundleMethod: z
    .enum(["ubiquitous", "optimal", "force"])
    .default("force")
    .describe(
      "How Cloudflare completes the chain: force serves the one that was issued, also from a private CA. " +
        "Default: force.",
    ),
  clients: z
    .enum(["sni_custom", "legacy_custom"])
    .default("sni_custom")
    .describe("legacy_custom also serves clients without SNI, and is not part of every plan. Default: sni_custom."),
  priority: z
    .number()
    .int()
    .min(0)
    .max(1000)
    .optional()
    .describe("With `clients: legacy_custom`: which of several certificates for one host is served; higher wins."),
  keyRegion: z
    .enum(["us", "eu", "highest_security"])
    .optional()
    .describe("Where Cloudflare may keep the private key (Geo Key Manager). Default: anywhere."),
  endpoint: secretUrl
    .default("https://api.cloudflare.com/client/v4")
    .describe("Another address of Cloudflare's API, such as a proxy's."),
  timeout: durationOption("30s").describe("Time one call may take: 500ms, 30s, 2m."),
});

type CloudflareOptions = z.infer<typeof optionsSchema>;

export const cloudflare: Plugin<CloudflareOptions, DeployerDependencies, Deployer> = {
  type: "cloudflare",
  description: "Uploads the pair as a custom certificate of a Cloudflare zone and replaces it in place from then on.",
  options: optionsSchema,
  create(options, dependencies) {
    const api = createCloudflare({ ...options, timeoutMs: options.timeout }, dependencies);
    return {
      deploy: (request, signal) => deploy(api, options, request, signal),
      preflight: (_certificate, leaf, signal) => preflight(api, options, leaf, signal),
      untried: "whether the token may edit (SSL and Certificates: Edit)",
      inspect: (request, signal) => inspect(api, options, request, signal),
      async credentials(signal) {
        const { status, ends } = await api.verifyToken(signal);
        return [{ what: "API token", ends, begins: null, note: `Cloudflare says: ${status}` }];
      },
    };
  },
  occupies: (options) => (options.certificateId === undefined ? [] : [`cloudflare ${options.certificateId}`]),
  // https://developers.cloudflare.com/ssl/edge-certificates/custom-certificates/uploading/#certificate-requirements:
  // not expiring within 14 days of its upload; RSA of 2048 bits, ECDSA of 225 bits or more; a host of the zone among
  // its names.
  limits: () => ({ lifetimeMinMs: 14 * DAY_MS, identifierTypes: ["dns"] }),
};

/**
 * Cloudflare shows neither the certificate nor a mark of renewd, so only the receipt holds the generation. One PATCH
 * replaces key and certificate together. For `sni_custom` it answers with a new ID and removes the old one. After a
 * crash before the receipt is recorded, the next attempt finds the certificate by its hosts and uploads again.
 */
async function deploy(
  api: Cloudflare,
  options: CloudflareOptions,
  { pair, previous }: DeployRequest,
  signal: AbortSignal,
): Promise<DeployReceipt> {
  const pem = pairPem(pair);
  signal.throwIfAborted();
  refuseOlder(pair, previous);
  const held = await find(api, options, pair, previous, signal);
  const upload: Upload = {
    certificate: pem.fullchain,
    privateKey: pair.privateKey,
    bundleMethod: options.bundleMethod,
    clients: options.clients,
    keyRegion: options.keyRegion ?? null,
  };
  const current =
    held !== null && isCurrent(held, pair, previous) && bundleProblem(held, options) === null
      ? held
      : await api.upload(held?.id ?? null, upload, signal);
  if (options.priority !== undefined && current.priority !== options.priority)
    await api.prioritize(current.id, options.priority, signal);
  const { generation, leaf } = pair;
  return { id: current.id, generation, fingerprint: leaf.fingerprint, expiresAt: leaf.notAfter };
}

async function preflight(
  api: Cloudflare,
  options: CloudflareOptions,
  leaf: Leaf | null,
  signal: AbortSignal,
): Promise<void> {
  await api.check(signal);
  if (
    options.certificateId !== undefined &&
    leaf === null &&
    (await api.read(options.certificateId, signal)) === null
  ) {
    throw new RenewalError(
      "deploy.refused",
      `zone ${options.zone} has no custom certificate ${options.certificateId}; correct \`certificateId\` or ` +
        "leave it out",
    );
  }
}

/**
 * Cloudflare shows expiry and bundle method of a custom certificate, but neither its PEM, a fingerprint nor its chain
 * (https://developers.cloudflare.com/api/resources/custom_certificates/methods/get/). So renewd can tell that one is
 * missing, was replaced by one that expires at another time, or gets another chain; handshakes show the rest.
 */
async function inspect(
  api: Cloudflare,
  options: CloudflareOptions,
  { previous }: InspectRequest,
  signal: AbortSignal,
): Promise<InstalledPair | null> {
  const id = previous?.id;
  if (typeof id !== "string" || !ID.test(id)) return null;
  const held = await api.read(id, signal);
  const shown = `custom certificate ${id} of zone ${options.zone}`;
  const found = { fingerprint: null, keyMatches: null } as const;
  if (held === null) return { ...found, problems: [`${shown} is missing`] };
  const { expiresAt = null, fingerprint = null } = previous ?? {};
  if (typeof expiresAt === "number" && held.expires_on !== "" && !expiresWith(held, expiresAt)) {
    const [is, was] = [sanitize(held.expires_on, 40), new Date(expiresAt).toISOString()];
    return { ...found, isOther: true, problems: [`${shown} expires ${is}, renewd's ${was}`] };
  }
  const problem = bundleProblem(held, options);
  if (problem === null || typeof fingerprint !== "string") return null;
  return { ...found, fingerprint, problems: [`${shown} ${problem}`] };
}

function refuseOlder(pair: IssuedCertificate, previous: DeployReceipt | null): void {
  if (previous === null || typeof previous.generation !== "number" || previous.generation <= pair.generation) return;
  throw new RenewalError(
    "deploy.newerGeneration",
    `Cloudflare was given generation ${previous.generation} of ${pair.certificate} as ${previous.id}, so ` +
      `generation ${pair.generation} was not uploaded`,
  );
}

/** The recorded one, else the configured one, else one for the same hosts and kind of signature; null: none yet. */
async function find(
  api: Cloudflare,
  { certificateId }: CloudflareOptions,
  pair: IssuedCertificate,
  previous: DeployReceipt | null,
  signal: AbortSignal,
): Promise<CustomCertificate | null> {
  for (const id of [previous?.id, certificateId]) {
    const held = typeof id === "string" && ID.test(id) ? await api.read(id, signal) : null;
    if (held !== null) return held;
  }
  const hosts = hostsOf(pair.leaf);
  const same = (await api.list(signal)).filter((held) => sortedKey(held.hosts) === hosts);
  // A pack may hold an RSA and an ECDSA certificate for the same hosts; the other one is not ours to replace.
  return same.find(({ signature }) => isEcdsa(signature) === isEcdsa(signatureOf(pair))) ?? null;
}

/** null: Cloudflare completes the chain as the options say, or does not show how. */
function bundleProblem(
  { bundle_method: method }: CustomCertificate,
  { bundleMethod }: CloudflareOptions,
): string | null {
  if (method === "" || method === bundleMethod) return null;
  return `has the bundle method ${sanitize(method, 40)} instead of ${bundleMethod}, so another chain`;
}

function expiresWith({ expires_on }: CustomCertificate, expiresAt: number): boolean {
  // Cloudflare shows whole seconds.
  return Math.abs(Date.parse(expires_on) - expiresAt) < 1_000;
}

/** Whether the last upload is still there, as far as Cloudflare shows it. */
function isCurrent(held: CustomCertificate, pair: IssuedCertificate, previous: DeployReceipt | null): boolean {
  return (
    previous?.fingerprint === pair.leaf.fingerprint && previous.id === held.id && expiresWith(held, pair.leaf.notAfter)
  );
}

function hostsOf({ identifiers }: Leaf): string {
  return sortedKey(identifiers.map(({ value }) => value));
}

function sortedKey(hosts: readonly string[]): string {
  return [...new Set(hosts.map((host) => host.toLowerCase()))].sort().join(" ");
}

function signatureOf({ leafPem }: IssuedCertificate): string {
  return new X509Certificate(leafPem).signatureAlgorithm ?? "";
}

/** Cloudflare writes ECDSAWithSHA256 and SHA256WithRSA, OpenSSL ecdsa-with-SHA256 and sha256WithRSAEncryption. */
function isEcdsa(signature: string): boolean {
  return /ecdsa/i.test(signature);
}
