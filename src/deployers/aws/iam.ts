import { z } from "zod";
import type { Deployer, DeployRequest, InspectRequest, InstalledPair } from "../../domain/deployer.ts";
import type { DeployReceipt } from "../../domain/deployment.ts";
import { RenewalError } from "../../domain/errors.ts";
import type { Plugin } from "../../domain/plugin.ts";
import type { IssuedCertificate } from "../../domain/version.ts";
import { readLeaf } from "../../x509/leaf.ts";
import type { DeployerDependencies } from "../base/dependencies.ts";
import { installedPair, sameCertificates } from "../base/installedPair.ts";
import { pairPem } from "../base/pairPem.ts";
import { createIam, type HeldServerCertificate, type Iam } from "./iamClient.ts";
import { generationsOf, type NamedGeneration, serverCertificateName } from "./iamNames.ts";
import { deleteUnused } from "./iamUnused.ts";
import { accessOf, accessOptions, regionOption, tagsOption } from "./options.ts";
import { CERTIFICATE_TAG, refuseOtherOwner } from "./tags.ts";

const optionsSchema = z.strictObject({
  region: regionOption
    .default("us-east-1")
    .describe("Any region of the partition: IAM is one for all of them. China: cn-north-1, GovCloud: us-gov-west-1."),
  path: z
    .string()
    .max(512)
    // UploadServerCertificate, Path: a slash, or ASCII between two.
    .regex(/^\/$|^\/[!-~]+\/$/, "begins and ends with a slash")
    .default("/")
    .describe("Path of the server certificates. For CloudFront it begins with /cloudfront/."),
  keep: z
    .int()
    .min(2)
    .max(20)
    .default(3)
    .describe(
      "Number of generations to keep, the new one included. Older ones are deleted unless they are still in " +
        "use. An account holds 20 by default.",
    ),
  tags: tagsOption.describe("Further tags of the server certificates. renewd sets renewd:certificate."),
  ...accessOptions,
});

type IamOptions = z.infer<typeof optionsSchema>;

export const awsIam: Plugin<IamOptions, DeployerDependencies, Deployer> = {
  type: "aws-iam",
  description:
    "Uploads each generation as an IAM server certificate `NAME-GENERATION-FINGERPRINT`. They cannot be " +
    "changed, so refer your load balancer or " +
    "distribution to the ARN of the receipt after each renewal; where ACM is to be had, `aws-acm` saves that.",
  options: optionsSchema,
  create(options) {
    const iam = createIam(accessOf(options, options.region));
    return {
      deploy: (request, signal) => deploy(iam, options, request, signal),
      async preflight(_certificate, _leaf, signal) {
        await iam.list(options.path, signal);
      },
      untried: "the right to write (iam:UploadServerCertificate, DeleteServerCertificate)",
      inspect: (request, signal) => inspect(iam, options, request, signal),
      async held(found, signal) {
        for (const { name, arn } of await iam.list(options.path, signal)) {
          const held = await iam.get(name, signal);
          // Each renewal uploads another: there is no target that would write to this one.
          if (held !== null) found({ certificate: held.certPem, place: arn, target: null });
        }
      },
    };
  },
  // CloudFront takes RSA up to 4096 bit and P-256 (ACM user guide, "Prerequisites for importing"; CloudFront,
  // "Requirements for using SSL/TLS certificates").
  limits: ({ path }) =>
    path.startsWith("/cloudfront/") ? { keyTypes: ["rsa-2048", "rsa-3072", "rsa-4096", "ecdsa-p256"] } : {},
};

/**
 * The generation is part of the immutable name, so no certificate in use is ever touched. Old ones are deleted first,
 * because the quota is small.
 */
async function deploy(
  iam: Iam,
  options: IamOptions,
  { pair }: DeployRequest,
  signal: AbortSignal,
): Promise<DeployReceipt> {
  const pem = pairPem(pair);
  const name = serverCertificateName(pair);
  const listed = await iam.list(options.path, signal);
  const named = generationsOf(
    pair.certificate,
    listed.map((one) => one.name),
  );
  await refuseNewer(iam, named, pair, signal);

  const older = named.filter((one) => one.name !== name && one.generation <= pair.generation);
  const left = await deleteUnused(iam, pair.certificate, older.slice(options.keep - 1), signal);
  const there = named.some((one) => one.name === name);
  const before = there || older[0] === undefined ? null : await iam.get(older[0].name, signal);
  const theirs = before?.tags[CERTIFICATE_TAG] === pair.certificate ? before.tags : {};
  const upload = {
    name,
    path: options.path,
    cert: pem.cert,
    chain: pem.chain,
    privateKey: pair.privateKey,
    // Each generation is an object of its own: what people tagged the last one with goes to the next.
    tags: { ...theirs, ...options.tags, [CERTIFICATE_TAG]: pair.certificate },
  };
  const arn = (there ? null : await iam.upload(upload, signal)) ?? (await readOurs(iam, name, pair, signal)).arn;
  return { arn, name, generation: pair.generation, fingerprint: pair.leaf.fingerprint, ...left };
}

/** The recorded one, else the newest generation that carries our tag. IAM never returns the key. */
async function inspect(
  iam: Iam,
  { path }: IamOptions,
  { certificate, previous }: InspectRequest,
  signal: AbortSignal,
): Promise<InstalledPair> {
  const recorded = typeof previous?.name === "string" ? previous.name : null;
  const held = recorded === null ? await findNewest(iam, path, certificate, signal) : await iam.get(recorded, signal);
  const shown = `the server certificate ${held?.name ?? recorded ?? certificate} in IAM`;
  const names = { certificate: shown, key: shown };
  return installedPair({ certificate: held?.certPem ?? null, key: undefined, chain: held?.chainPem, names });
}

async function findNewest(
  iam: Iam,
  path: string,
  certificate: string,
  signal: AbortSignal,
): Promise<HeldServerCertificate | null> {
  const listed = (await iam.list(path, signal)).map(({ name }) => name);
  for (const { name } of generationsOf(certificate, listed)) {
    const held = await iam.get(name, signal);
    if (held?.tags[CERTIFICATE_TAG] === certificate) return held;
  }
  return null;
}

/** The certificate that already has our name: IAM lists uploads late, so a crashed attempt may have uploaded it. */
async function readOurs(
  iam: Iam,
  name: string,
  pair: IssuedCertificate,
  signal: AbortSignal,
): Promise<HeldServerCertificate> {
  const held = await iam.get(name, signal);
  if (held === null)
    throw new RenewalError(
      "deploy.unreachable",
      `IAM says that the name ${name} is taken but shows no certificate yet; the next attempt reads it again`,
    );
  const what = `IAM: the server certificate ${name}`;
  refuseOtherOwner(what, held.tags, pair.certificate);
  if (held.tags[CERTIFICATE_TAG] === undefined || fingerprintOf(held) !== pair.leaf.fingerprint) {
    throw new RenewalError("deploy.refused", `${what} was not uploaded by renewd: rename or delete it`);
  }
  if (!sameCertificates(held.chainPem, pairPem(pair).chain))
    throw new RenewalError(
      "deploy.refused",
      `${what} was uploaded with another chain, and none can be changed: delete it`,
    );
  return held;
}

/** Two pairs of one generation exist only after a lost or restored database. Then the one issued later wins. */
async function refuseNewer(
  iam: Iam,
  named: readonly NamedGeneration[],
  pair: IssuedCertificate,
  signal: AbortSignal,
): Promise<void> {
  const ownName = serverCertificateName(pair);
  for (const { name, generation } of named) {
    if (generation < pair.generation) return;
    if (name === ownName) continue;
    const held = await iam.get(name, signal);
    if (held?.tags[CERTIFICATE_TAG] !== pair.certificate) continue;
    const isEarlier = pair.isBroken === true || (notBeforeOf(held) ?? 0) < pair.leaf.notBefore;
    if (generation === pair.generation && isEarlier) continue;
    throw new RenewalError(
      "deploy.newerGeneration",
      `IAM holds generation ${generation} of ${pair.certificate} (${name}), so generation ${pair.generation} ` +
        "was not uploaded; " +
        `another renewd deploys there, or this one's database was lost: then delete that one or its tag ${CERTIFICATE_TAG}`,
    );
  }
}

function fingerprintOf({ certPem }: HeldServerCertificate): string | null {
  return leafOf(certPem)?.fingerprint ?? null;
}

function notBeforeOf({ certPem }: HeldServerCertificate): number | null {
  return leafOf(certPem)?.notBefore ?? null;
}

function leafOf(pem: string): ReturnType<typeof readLeaf> | null {
  try {
    return readLeaf(pem);
  } catch {
    return null;
  }
}
