import type { DescribeSecretResponse, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { RenewalError } from "../../domain/errors.ts";
import { Secret } from "../../domain/secret.ts";
import { optionalPackage } from "../base/optionalPackage.ts";
import { type AwsAccess, awsCalls } from "./call.ts";
import type { AwsService } from "./error.ts";
import { type AwsTags, readTags, tagList } from "./tags.ts";

/** A secret as it is described, without its value. */
export interface SecretDescription {
  readonly arn: string;
  readonly tags: AwsTags;
  /** Version that readers get (AWSCURRENT); null: the secret has no value yet. */
  readonly currentVersion: string | null;
  /** Why renewd cannot keep anything there, for people; null: it can. */
  readonly obstacle: string | null;
}

export interface SecretValue {
  /** The secret's name or ARN. */
  readonly secret: string;
  /** Id of the version to create. The same id with the same text is created once. */
  readonly version: string;
  readonly text: Secret;
  /** Never shown when AWS quotes the value. */
  readonly privateKey: Secret;
}

export interface NewSecret extends SecretValue {
  readonly tags: AwsTags;
  readonly kmsKeyId: string | undefined;
}

/** The calls renewd makes. Every failure is a RenewalError. */
export interface SecretsManager {
  /** Such as `Secrets Manager in eu-central-1`. */
  readonly where: string;
  /** null: there is no such secret. */
  describe(secret: string, signal: AbortSignal): Promise<SecretDescription | null>;
  /** The text of a version; null: it is binary. */
  read(secret: string, version: string, signal: AbortSignal): Promise<Secret | null>;
  /** Returns the ARN; null: the secret exists by now. */
  create(secret: NewSecret, signal: AbortSignal): Promise<string | null>;
  /** Adds a version under the staging label `stage`, which readers do not follow. Returns the labels it has then. */
  stage(value: SecretValue, stage: string, signal: AbortSignal): Promise<readonly string[]>;
  /** Moves AWSCURRENT, if it still is where it was seen: AWS refuses otherwise, and moves AWSPREVIOUS along. */
  makeCurrent(secret: string, move: { readonly from: string; readonly to: string }, signal: AbortSignal): Promise<void>;
  addTags(secret: string, tags: AwsTags, signal: AbortSignal): Promise<void>;
}

export const CURRENT = "AWSCURRENT";

const SECRETS_MANAGER: AwsService = {
  name: "Secrets Manager",
  permissions: "secretsmanager",
  // Secrets Manager user guide, "Quotas": unlabelled versions beyond 100 go away a day after they were created.
  quotaAdvice:
    "raise the quota in Service Quotas, or delete unused secrets; AWS removes a secret's old versions by " +
    "itself, a day after they were created",
};

interface Loaded {
  readonly sdk: typeof import("@aws-sdk/client-secrets-manager");
  readonly client: SecretsManagerClient;
}

export function createSecretsManager(access: AwsAccess): SecretsManager {
  const where = `Secrets Manager in ${access.region}`;
  const call = awsCalls(SECRETS_MANAGER, where, access, async (config): Promise<Loaded> => {
    const sdk = await optionalPackage(
      "@aws-sdk/client-secrets-manager",
      () => import("@aws-sdk/client-secrets-manager"),
    );
    return { sdk, client: new sdk.SecretsManagerClient(config) };
  });

  return {
    where,
    async describe(secret, signal) {
      const send = async (
        { sdk, client }: Loaded,
        options: { abortSignal: AbortSignal },
      ): Promise<DescribeSecretResponse | null> => {
        try {
          return await client.send(new sdk.DescribeSecretCommand({ SecretId: secret }), options);
        } catch (error) {
          if (error instanceof sdk.ResourceNotFoundException) return null;
          throw error;
        }
      };
      const answer = await call({ action: "DescribeSecret" }, send, signal);
      return answer === null ? null : description(answer, secret, access.region);
    },
    async read(secret, version, signal) {
      const answer = await call(
        { action: "GetSecretValue" },
        ({ sdk, client }, options) =>
          client.send(new sdk.GetSecretValueCommand({ SecretId: secret, VersionId: version }), options),
        signal,
      );
      return answer.SecretString === undefined ? null : new Secret(answer.SecretString);
    },
    async create({ secret, version, text, privateKey, tags, kmsKeyId }, signal) {
      const send = async ({ sdk, client }: Loaded, options: { abortSignal: AbortSignal }): Promise<string | null> => {
        const request = new sdk.CreateSecretCommand({
          Name: secret,
          ClientRequestToken: version,
          SecretString: text.reveal(),
          Description: "TLS certificate and private key, kept by renewd",
          Tags: tagList(tags),
          ...(kmsKeyId !== undefined && { KmsKeyId: kmsKeyId }),
        });
        try {
          return (await client.send(request, options)).ARN ?? secret;
        } catch (error) {
          if (error instanceof sdk.ResourceExistsException) return null;
          throw error;
        }
      };
      return await call({ action: "CreateSecret", hidden: privateKey }, send, signal);
    },
    async stage({ secret, version, text, privateKey }, stage, signal) {
      const send = ({ sdk, client }: Loaded, options: { abortSignal: AbortSignal }) =>
        client.send(
          new sdk.PutSecretValueCommand({
            SecretId: secret,
            ClientRequestToken: version,
            SecretString: text.reveal(),
            VersionStages: [stage],
          }),
          options,
        );
      return (await call({ action: "PutSecretValue", hidden: privateKey }, send, signal)).VersionStages ?? [];
    },
    async makeCurrent(secret, { from, to }, signal) {
      const request = { SecretId: secret, VersionStage: CURRENT, RemoveFromVersionId: from, MoveToVersionId: to };
      await call(
        { action: "UpdateSecretVersionStage" },
        ({ sdk, client }, options) => client.send(new sdk.UpdateSecretVersionStageCommand(request), options),
        signal,
      );
    },
    async addTags(secret, tags, signal) {
      await call(
        { action: "TagResource" },
        ({ sdk, client }, options) =>
          client.send(new sdk.TagResourceCommand({ SecretId: secret, Tags: tagList(tags) }), options),
        signal,
      );
    },
  };
}

function description(answer: DescribeSecretResponse, secret: string, region: string): SecretDescription {
  if (answer.ARN === undefined)
    throw new RenewalError(
      "deploy.unreachable",
      `Secrets Manager in ${region}: DescribeSecret answered without an ARN`,
    );
  const current = Object.entries(answer.VersionIdsToStages ?? {}).find(([, stages]) => stages.includes(CURRENT));
  return {
    arn: answer.ARN,
    tags: readTags(answer.Tags),
    currentVersion: current?.[0] ?? null,
    obstacle: obstacleOf(answer, secret, region),
  };
}

function obstacleOf(answer: DescribeSecretResponse, secret: string, region: string): string | null {
  if (answer.DeletedDate !== undefined)
    return (
      `is scheduled for deletion: restore it (aws secretsmanager restore-secret --secret-id ${secret}) or ` +
      "name another"
    );
  if (answer.OwningService !== undefined) return `is managed by ${answer.OwningService}: name another`;
  if (answer.RotationEnabled === true)
    return (
      "is rotated by a Lambda function, which would replace what renewd puts there: turn rotation off or " +
      "name another"
    );
  if (answer.PrimaryRegion !== undefined && answer.PrimaryRegion !== region)
    return `is a read-only replica: set \`region\` to its primary, ${answer.PrimaryRegion}`;
  return null;
}
