import type { CertificateDetail, CertificateSummary } from "@aws-sdk/client-acm";
import { z } from "zod";
import type { Deployer, DeployRequest } from "../domain/deployer.ts";
import type { DeployReceipt } from "../domain/deployment.ts";
import { RenewalError } from "../domain/errors.ts";
import type { Plugin } from "../domain/plugin.ts";
import type { IssuedCertificate, Leaf } from "../domain/version.ts";
import { type Acm, createAcm } from "./awsAcmClient.ts";
import { algorithmOf, algorithmOfKeyType, checkKeyAlgorithm, checkUsages } from "./awsAcmRules.ts";
import type { DeployerDependencies } from "./dependencies.ts";
import { durationOption } from "./duration.ts";
import { pairPem } from "./pairPem.ts";

const CERTIFICATE_TAG = "renewd:certificate";
const GENERATION_TAG = "renewd:generation";
/** Tag reads one lookup may cost. Only certificates that share a name with ours are asked. */
const CANDIDATES_MAX = 100;

// ACM API reference, Tag: letters, spaces, numbers and _.:/=+-@
const TAG_TEXT = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u;

const options = z.strictObject({
  region: z
    .string()
    .regex(/^[a-z]{2,4}(-[a-z]+)+-\d$/, "give a region such as eu-central-1")
    .describe("AWS region. Certificates for CloudFront live in us-east-1."),
  arn: z
    .string()
    .regex(/^arn:[a-z-]+:acm:[a-z0-9-]+:\d{12}:certificate\/[A-Za-z0-9-]+$/, "give the ARN of an ACM certificate")
    .optional()
    .describe("Imported certificate to take over. Default: renewd imports a new one and finds it again by its tags."),
  tags: z
    .record(z.string().min(1).max(128).regex(TAG_TEXT), z.string().max(256).regex(TAG_TEXT))
    .refine((tags) => Object.keys(tags).length <= 40, "at most 40 tags")
    .refine((tags) => Object.keys(tags).every((key) => !/^(aws|renewd):/i.test(key)), "keys beginning with aws: or renewd: are reserved")
    .optional()
    .describe("Further tags of the certificate. renewd sets renewd:certificate and renewd:generation."),
  profile: z
    .string()
    .min(1)
    .max(128)
    .optional()
    .describe("Profile of the AWS configuration files. Default: the SDK's credential chain (environment, web identity, instance role …)."),
  endpoint: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe("Another endpoint, such as a VPC endpoint's URL."),
  timeout: durationOption("30s").describe("Time one call may take: 500ms, 30s, 2m."),
});

type AcmOptions = z.infer<typeof options>;

export const awsAcm: Plugin<AcmOptions, DeployerDependencies, Deployer> = {
  type: "aws-acm",
  description: "Imports the certificate into AWS Certificate Manager and keeps its ARN, so that load balancers follow by themselves.",
  options,
  create(made) {
    const acm = createAcm({ region: made.region, endpoint: made.endpoint, profile: made.profile, timeoutMs: made.timeout });
    return {
      deploy: (request, signal) => deploy(acm, made, request, signal),
      preflight: (certificate, leaf, signal) => preflight(acm, made, certificate, leaf, signal),
    };
  },
  occupies: (made) => (made.arn === undefined ? [] : [made.arn]),
};

/** A certificate ACM holds. */
interface Held {
  readonly arn: string;
  readonly detail: CertificateDetail;
  readonly tags: Readonly<Record<string, string>>;
}

/**
 * The generation is a tag, raised after the import: should we die in between, the serial tells the next attempt that the
 * import is done. A first import carries its tags with it, so that an import nobody recorded is found again and no second
 * ARN made. ACM offers no compare-and-set; two writers are kept apart by the deployment's fence.
 */
async function deploy(acm: Acm, made: AcmOptions, { pair, previous }: DeployRequest, signal: AbortSignal): Promise<DeployReceipt> {
  const pem = pairPem(pair);
  const algorithm = algorithmOf(pair.leafPem);
  const tags = { ...made.tags, [CERTIFICATE_TAG]: pair.certificate, [GENERATION_TAG]: String(pair.generation) };
  const held = await find(acm, made, pair.certificate, pair.leaf, previous, signal);
  const request = { cert: pem.cert, chain: pem.chain, privateKey: pair.privateKey };
  if (held === null) return receipt(await acm.import({ ...request, arn: null, tags }, signal), pair);

  refuseForeignOrNewer(held, pair);
  checkKeyAlgorithm(held.detail, algorithm);
  if (!sameSerial(held.detail.Serial, pair.leaf.serial)) {
    checkUsages(held.detail, pair.leafPem, algorithm);
    await acm.import({ ...request, arn: held.arn, tags: null }, signal);
  }
  const missing = Object.fromEntries(Object.entries(tags).filter(([key, value]) => held.tags[key] !== value));
  if (Object.keys(missing).length > 0) await acm.addTags(held.arn, missing, signal);
  return receipt(held.arn, pair);
}

async function preflight(acm: Acm, made: AcmOptions, certificate: string, leaf: Leaf | null, signal: AbortSignal): Promise<void> {
  if (leaf === null) return await acm.check(signal);
  const held = await find(acm, made, certificate, leaf, null, signal);
  if (held !== null && leaf.keyType !== null) checkKeyAlgorithm(held.detail, algorithmOfKeyType(leaf.keyType));
}

/** The configured one, else the recorded one, else the one that carries our tags; null: none yet. */
async function find(acm: Acm, made: AcmOptions, certificate: string, leaf: Leaf, previous: DeployReceipt | null, signal: AbortSignal): Promise<Held | null> {
  if (made.arn !== undefined) {
    const held = await read(acm, made.arn, signal);
    if (held === null) throw new RenewalError("deploy.refused", `ACM in ${made.region} has no certificate ${made.arn}`);
    return held;
  }
  const recorded = typeof previous?.arn === "string" ? await read(acm, previous.arn, signal) : null;
  return recorded ?? (await findByTags(acm, certificate, leaf, signal));
}

async function findByTags(acm: Acm, certificate: string, leaf: Leaf, signal: AbortSignal): Promise<Held | null> {
  const candidates = (await acm.listImported(signal)).filter((summary) => sharesName(summary, leaf)).slice(0, CANDIDATES_MAX);
  let best: { arn: string; generation: number } | null = null;
  for (const { CertificateArn: arn } of candidates) {
    if (arn === undefined) continue;
    const tags = await acm.tags(arn, signal);
    if (tags[CERTIFICATE_TAG] !== certificate) continue;
    const generation = generationOf(tags) ?? 0;
    if (best === null || generation > best.generation) best = { arn, generation };
  }
  return best === null ? null : await read(acm, best.arn, signal);
}

/** Long lists are cut in the summary, so a certificate with more names than it shows stays a candidate. */
function sharesName(summary: CertificateSummary, leaf: Leaf): boolean {
  if (summary.HasAdditionalSubjectAlternativeNames === true) return true;
  const names = new Set([summary.DomainName, ...(summary.SubjectAlternativeNameSummaries ?? [])]);
  return leaf.identifiers.some(({ value }) => names.has(value));
}

async function read(acm: Acm, arn: string, signal: AbortSignal): Promise<Held | null> {
  const detail = await acm.describe(arn, signal);
  return detail === null ? null : { arn, detail, tags: await acm.tags(arn, signal) };
}

function refuseForeignOrNewer({ arn, tags }: Held, pair: IssuedCertificate): void {
  const owner = tags[CERTIFICATE_TAG];
  if (owner !== undefined && owner !== pair.certificate) {
    throw new RenewalError("deploy.refused", `${arn} belongs to the certificate ${owner} (its tag ${CERTIFICATE_TAG}), not to ${pair.certificate}`);
  }
  const generation = generationOf(tags);
  if (generation === null || generation <= pair.generation) return;
  throw new RenewalError(
    "deploy.newerGeneration",
    `${arn} holds generation ${generation} of ${pair.certificate} (its tag ${GENERATION_TAG}), so generation ${pair.generation} was not imported; ` +
      "if renewd's database was lost, remove that tag",
  );
}

function generationOf(tags: Readonly<Record<string, string>>): number | null {
  const text = tags[GENERATION_TAG];
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : null;
}

/** ACM writes aa:bb:0c, OpenSSL AABB0C, and neither keeps leading zeros reliably. */
function sameSerial(held: string | undefined, serial: string): boolean {
  const plain = (text: string): string => text.replaceAll(":", "").toUpperCase().replace(/^0+/, "");
  return held !== undefined && plain(held) === plain(serial);
}

function receipt(arn: string, pair: IssuedCertificate): DeployReceipt {
  return { arn, generation: pair.generation, fingerprint: pair.leaf.fingerprint };
}
