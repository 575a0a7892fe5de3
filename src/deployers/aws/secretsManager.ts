import { z } from "zod";
import type { Deployer, DeployRequest, InspectRequest, InstalledPair } from "../../domain/deployer.ts";
import type { DeployReceipt } from "../../domain/deployment.ts";
import { RenewalError } from "../../domain/errors.ts";
import type { Plugin } from "../../domain/plugin.ts";
import type { IssuedCertificate } from "../../domain/version.ts";
import type { DeployerDependencies } from "../base/dependencies.ts";
import { installedPair } from "../base/installedPair.ts";
import {
  layoutOptions,
  layoutProblem,
  memberNames,
  type OtherMembers,
  othersIn,
  pairIn,
  secretText,
} from "../base/secretLayout.ts";
import { accessOf, accessOptions, regionOption, tagsOption } from "./options.ts";
import {
  CURRENT,
  createSecretsManager,
  type SecretDescription,
  type SecretsManager,
  type SecretValue,
} from "./secretsManagerClient.ts";
import { isNewer, readVersionId, versionId } from "./secretVersion.ts";
import { CERTIFICATE_TAG, missingTags, refuseOtherOwner } from "./tags.ts";

const PLACEHOLDER = "{certificate}";

/** Label of the version renewd created last. AWSCURRENT follows in a second step. */
const STAGE = "renewd";

const optionsSchema = z
  .strictObject({
    region: regionOption.describe("AWS region. Secrets Manager itself can replicate the secret to others."),
    secret: z
      .string()
      .max(512)
      // CreateSecret, Name: ASCII letters, numbers and /_+=.@-
      .regex(
        /^(?:[A-Za-z0-9/_+=.@-]|\{certificate\})+$/,
        `letters, digits and /_+=.@- and the placeholder ${PLACEHOLDER} only`,
      )
      .describe(
        "Name of the secret. `{certificate}` stands for the certificate's name. It is created if it is missing.",
      ),
    ...layoutOptions,
    kmsKeyId: z
      .string()
      .min(1)
      .max(2048)
      .optional()
      .describe(
        "KMS key (id, ARN or alias) of a secret that renewd creates. Default: the account's `aws/secretsmanager`.",
      ),
    tags: tagsOption.describe("Further tags of the secret. renewd sets renewd:certificate."),
    adopt: z
      .boolean()
      .default(false)
      .describe("Whether a secret that renewd did not create is taken over. Default: it is refused."),
    ...accessOptions,
  })
  .superRefine((o, context) => {
    const message = layoutProblem(o);
    if (message !== null) context.addIssue({ code: "custom", path: ["keys"], message });
  });

type SecretOptions = z.infer<typeof optionsSchema>;

export const awsSecretsManager: Plugin<SecretOptions, DeployerDependencies, Deployer> = {
  type: "aws-secrets-manager",
  served: false,
  description:
    "Keeps certificate and private key as a secret in AWS Secrets Manager; readers of AWSCURRENT get the new " +
    "pair at once.",
  options: optionsSchema,
  create(options) {
    const manager = createSecretsManager(accessOf(options, options.region));
    return {
      deploy: (request, signal) => deploy(manager, options, request, signal),
      async preflight(certificate, _leaf, signal) {
        const held = await manager.describe(nameOf(options, certificate), signal);
        if (held === null) return;
        checkUsable(manager, options, held, certificate);
        await readOthers(manager, options, { held, certificate, previous: null }, signal);
      },
      untried:
        "the right to write (secretsmanager:CreateSecret, PutSecretValue, UpdateSecretVersionStage, TagResource)",
      inspect: (request, signal) => inspect(manager, options, request, signal),
    };
  },
  occupies: (options, certificate) => [
    `secretsmanager:${options.profile ?? ""}:${options.region}:${nameOf(options, certificate)}`,
  ],
};

function nameOf({ secret }: SecretOptions, certificate: string): string {
  return secret.replaceAll(PLACEHOLDER, certificate);
}

/**
 * A version is created first and becomes AWSCURRENT in a second step. AWS refuses that step when AWSCURRENT has moved
 * since it was read, so a late writer cannot undo a newer generation, and readers never get half a pair.
 */
async function deploy(
  manager: SecretsManager,
  options: SecretOptions,
  { pair, previous }: DeployRequest,
  signal: AbortSignal,
): Promise<DeployReceipt> {
  const secret = nameOf(options, pair.certificate);
  // Before the secret is read: throws when the pair does not fit.
  secretText(pair, options);
  const tags = { ...options.tags, [CERTIFICATE_TAG]: pair.certificate };
  const held = await manager.describe(secret, signal);
  if (held !== null) {
    checkUsable(manager, options, held, pair.certificate);
    refuseOlder(manager, held, pair, secret);
  }
  const { certificate } = pair;
  const others = held === null ? {} : await readOthers(manager, options, { held, certificate, previous }, signal);
  const version = versionId(pair, [options.layout, options.keys ?? null], others);
  const value: SecretValue = { secret, version, text: secretText(pair, options, others), privateKey: pair.privateKey };
  const kept = Object.keys(others).length;
  const receipt = {
    version,
    generation: pair.generation,
    fingerprint: pair.leaf.fingerprint,
    ...(options.keys !== undefined && { members: memberNames(options) }),
    ...(kept > 0 && { keptMembers: kept }),
  };
  if (held === null) {
    const arn = await manager.create({ ...value, tags, kmsKeyId: options.kmsKeyId }, signal);
    if (arn === null) throw changedMeanwhile(manager, secret);
    return { arn, ...receipt };
  }
  if (held.currentVersion !== version) await replace(manager, held, value, signal);
  // Last: until the value is there, a secret that is taken over is not ours.
  const missing = missingTags(tags, held.tags);
  if (Object.keys(missing).length > 0) await manager.addTags(secret, missing, signal);
  return { arn: held.arn, ...receipt };
}

interface Reading extends InspectRequest {
  readonly held: SecretDescription;
}

/**
 * What others keep in the secret beside the pair. Without the permission to read it, only a value that renewd wrote
 * alone is replaced, or any with `adopt`.
 */
async function readOthers(
  manager: SecretsManager,
  options: SecretOptions,
  { held, certificate, previous }: Reading,
  signal: AbortSignal,
): Promise<OtherMembers> {
  const secret = nameOf(options, certificate);
  if (held.currentVersion === null) return {};
  try {
    const text = (await manager.read(secret, held.currentVersion, signal))?.reveal() ?? null;
    const isOurs = readVersionId(held.currentVersion) !== null;
    const shown = `${manager.where}: the secret ${secret}`;
    return othersIn({ text, members: isOurs ? previous?.members : "[]", shown }, options);
  } catch (error) {
    if (!(error instanceof RenewalError)) throw error;
    const alone = readVersionId(held.currentVersion) !== null && previous?.keptMembers === undefined;
    if (error.code === "deploy.forbidden" && (alone || options.adopt)) return {};
    if (error.code === "deploy.refused" && options.adopt) return {};
    throw error;
  }
}

async function inspect(
  manager: SecretsManager,
  options: SecretOptions,
  { certificate, previous }: InspectRequest,
  signal: AbortSignal,
): Promise<InstalledPair> {
  const secret = nameOf(options, certificate);
  const shown = `the secret ${secret} in ${manager.where}`;
  const held = await manager.describe(secret, signal);
  const missing: InstalledPair = { fingerprint: null, keyMatches: null, problems: [`${shown} is missing`] };
  if (held === null || held.currentVersion === null) return missing;
  try {
    const text = (await manager.read(secret, held.currentVersion, signal))?.reveal() ?? null;
    return installedPair(pairIn(text, options, shown));
  } catch (error) {
    if (!(error instanceof RenewalError) || error.code !== "deploy.forbidden") throw error;
    // The id of a version holds a digest of the pair, so that it tells enough to who may not read the value.
    const fingerprint = previous?.fingerprint;
    if (held.currentVersion === previous?.version && typeof fingerprint === "string")
      return { fingerprint, keyMatches: null, problems: [] };
    const problem = `${shown} has the version ${held.currentVersion} as ${CURRENT}, which renewd did not put there`;
    return { fingerprint: null, keyMatches: null, problems: [problem] };
  }
}

async function replace(
  manager: SecretsManager,
  held: SecretDescription,
  value: SecretValue,
  signal: AbortSignal,
): Promise<void> {
  const labels = await manager.stage(value, STAGE, signal);
  // AWS labels the first version of a secret AWSCURRENT itself.
  if (labels.includes(CURRENT)) return;
  if (held.currentVersion === null) throw changedMeanwhile(manager, value.secret);
  try {
    await manager.makeCurrent(value.secret, { from: held.currentVersion, to: value.version }, signal);
  } catch (error) {
    if (!(error instanceof RenewalError) || error.code !== "deploy.refused") throw error;
    const now = await manager.describe(value.secret, signal);
    throw now?.currentVersion === held.currentVersion ? error : changedMeanwhile(manager, value.secret);
  }
}

function checkUsable(
  manager: SecretsManager,
  options: SecretOptions,
  held: SecretDescription,
  certificate: string,
): void {
  const what = `${manager.where}: the secret ${nameOf(options, certificate)}`;
  if (held.obstacle !== null) throw new RenewalError("deploy.refused", `${what} ${held.obstacle}`);
  refuseOtherOwner(what, held.tags, certificate);
  if (held.tags[CERTIFICATE_TAG] !== undefined || options.adopt) return;
  throw new RenewalError(
    "deploy.refused",
    `${what} was not created by renewd (it has no tag ${CERTIFICATE_TAG}): name another, or set \`adopt: true\``,
  );
}

function refuseOlder(manager: SecretsManager, held: SecretDescription, pair: IssuedCertificate, secret: string): void {
  // Without the tag it is being taken over and its generation does not count. This also helps after a lost database.
  if (held.tags[CERTIFICATE_TAG] === undefined) return;
  const version = readVersionId(held.currentVersion);
  if (version === null || !isNewer(version, pair)) return;
  throw new RenewalError(
    "deploy.newerGeneration",
    `${manager.where}: the secret ${secret} holds generation ${version.generation} of ${pair.certificate} ` +
      `(version ${held.currentVersion}), so generation ` +
      `${pair.generation} was not put there; another renewd deploys there, or this one's database was lost: then remove the secret's tag ` +
      `${CERTIFICATE_TAG} and set \`adopt: true\``,
  );
}

/** The next attempt reads the secret again. */
function changedMeanwhile(manager: SecretsManager, secret: string): RenewalError {
  return new RenewalError(
    "deploy.unreachable",
    `${manager.where}: something else changed the secret ${secret} at the same time; the next attempt reads it again`,
  );
}
