import type { IAMClient, ServerCertificate, ServerCertificateMetadata } from "@aws-sdk/client-iam";
import { RenewalError } from "../../domain/errors.ts";
import type { Secret } from "../../domain/secret.ts";
import { optionalPackage } from "../base/optionalPackage.ts";
import { type AwsAccess, awsCalls } from "./call.ts";
import type { AwsService } from "./error.ts";
import { type AwsTags, readTags, tagList } from "./tags.ts";

export interface ServerCertificateUpload {
  readonly name: string;
  readonly path: string;
  readonly cert: string;
  readonly chain: string;
  readonly privateKey: Secret;
  readonly tags: AwsTags;
}

export interface ListedServerCertificate {
  readonly name: string;
  readonly arn: string;
}

export interface HeldServerCertificate extends ListedServerCertificate {
  readonly certPem: string;
  /** Empty: none was uploaded. */
  readonly chainPem: string;
  readonly tags: AwsTags;
}

/** The calls renewd makes. Every failure is a RenewalError. */
export interface Iam {
  /** All of the account below a path. */
  list(path: string, signal: AbortSignal): Promise<ListedServerCertificate[]>;
  /** null: no certificate has this name. */
  get(name: string, signal: AbortSignal): Promise<HeldServerCertificate | null>;
  /** Returns the ARN; null: the name is taken. */
  upload(upload: ServerCertificateUpload, signal: AbortSignal): Promise<string | null>;
  /** `inUse`: AWS refused, as a load balancer or distribution serves it. */
  delete(name: string, signal: AbortSignal): Promise<"deleted" | "inUse">;
}

const IAM: AwsService = {
  name: "IAM",
  permissions: "iam",
  // IAM user guide, "IAM and AWS STS quotas".
  quotaAdvice:
    "raise the quota of server certificates, 20 by default, in Service Quotas, or delete some that nothing " +
    "uses; `keep` says how many renewd leaves",
};

interface Loaded {
  readonly sdk: typeof import("@aws-sdk/client-iam");
  readonly client: IAMClient;
}
interface SendOptions {
  readonly abortSignal: AbortSignal;
}

const PAGE_SIZE = 1000;
/** Far beyond what an account may hold. */
const PAGES_MAX = 10;

export function createIam(access: AwsAccess): Iam {
  const call = awsCalls(IAM, "IAM", access, async (config): Promise<Loaded> => {
    const sdk = await optionalPackage("@aws-sdk/client-iam", () => import("@aws-sdk/client-iam"));
    return { sdk, client: new sdk.IAMClient(config) };
  });

  return {
    async list(path, signal) {
      const found: ListedServerCertificate[] = [];
      let marker: string | undefined;
      for (let page = 0; page < PAGES_MAX; page++) {
        const request = { PathPrefix: path, MaxItems: PAGE_SIZE, ...(marker !== undefined && { Marker: marker }) };
        const answer = await call(
          { action: "ListServerCertificates" },
          ({ sdk, client }, options) => client.send(new sdk.ListServerCertificatesCommand(request), options),
          signal,
        );
        found.push(...(answer.ServerCertificateMetadataList ?? []).map(listed));
        marker = answer.IsTruncated === true ? answer.Marker : undefined;
        if (marker === undefined) return found;
      }
      throw new RenewalError(
        "deploy.refused",
        `IAM holds more than ${PAGE_SIZE * PAGES_MAX} server certificates below ${path}; give renewd a \`path\` ` +
          "of its own",
      );
    },
    async get(name, signal) {
      const send = async ({ sdk, client }: Loaded, options: SendOptions): Promise<ServerCertificate | null> => {
        try {
          return (
            (await client.send(new sdk.GetServerCertificateCommand({ ServerCertificateName: name }), options))
              .ServerCertificate ?? null
          );
        } catch (error) {
          if (error instanceof sdk.NoSuchEntityException) return null;
          throw error;
        }
      };
      const held = await call({ action: "GetServerCertificate" }, send, signal);
      if (held === null) return null;
      const pem = { certPem: held.CertificateBody ?? "", chainPem: held.CertificateChain ?? "" };
      return { ...listed(held.ServerCertificateMetadata), ...pem, tags: readTags(held.Tags) };
    },
    async upload({ name, path, cert, chain, privateKey, tags }, signal) {
      const send = async ({ sdk, client }: Loaded, options: SendOptions): Promise<string | null> => {
        const request = new sdk.UploadServerCertificateCommand({
          ServerCertificateName: name,
          Path: path,
          CertificateBody: cert,
          PrivateKey: privateKey.reveal(),
          ...(chain !== "" && { CertificateChain: chain }),
          Tags: tagList(tags),
        });
        try {
          return listed((await client.send(request, options)).ServerCertificateMetadata).arn;
        } catch (error) {
          if (error instanceof sdk.EntityAlreadyExistsException) return null;
          throw error;
        }
      };
      return await call({ action: "UploadServerCertificate", hidden: privateKey }, send, signal);
    },
    async delete(name, signal) {
      const send = async ({ sdk, client }: Loaded, options: SendOptions): Promise<"deleted" | "inUse"> => {
        try {
          await client.send(new sdk.DeleteServerCertificateCommand({ ServerCertificateName: name }), options);
          return "deleted";
        } catch (error) {
          if (error instanceof sdk.NoSuchEntityException) return "deleted";
          if (error instanceof sdk.DeleteConflictException) return "inUse";
          throw error;
        }
      };
      return await call({ action: "DeleteServerCertificate" }, send, signal);
    },
  };
}

function listed(metadata: ServerCertificateMetadata | undefined): ListedServerCertificate {
  return { name: metadata?.ServerCertificateName ?? "", arn: metadata?.Arn ?? "" };
}
