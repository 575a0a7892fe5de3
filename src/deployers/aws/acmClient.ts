import type { ACMClient, CertificateDetail, CertificateSummary } from "@aws-sdk/client-acm";
import { RenewalError } from "../../domain/errors.ts";
import type { Secret } from "../../domain/secret.ts";
import { IMPORTABLE } from "./acmRules.ts";
import { type AwsAccess, awsCalls } from "./call.ts";
import type { AwsService } from "./error.ts";
import { type AwsTags, readTags, tagList } from "./tags.ts";

export interface ImportRequest {
  /** null: a new one. */
  readonly arn: string | null;
  readonly cert: string;
  readonly chain: string;
  readonly privateKey: Secret;
  /** Only with a new one: ACM refuses tags on re-import. */
  readonly tags: AwsTags | null;
}

export interface ImportedPem {
  readonly leaf: string;
  /** Empty: none was imported. */
  readonly chain: string;
}

/** The calls renewd makes. Every failure is a RenewalError. No call is retried here: only `renewal/` decides that. */
export interface Acm {
  /** Such as `ACM in eu-central-1`. */
  readonly where: string;
  /** null: there is no such certificate. */
  describe(arn: string, signal: AbortSignal): Promise<CertificateDetail | null>;
  /** null: there is no such certificate. ACM never returns the key of an imported one. */
  pem(arn: string, signal: AbortSignal): Promise<ImportedPem | null>;
  tags(arn: string, signal: AbortSignal): Promise<AwsTags>;
  addTags(arn: string, tags: AwsTags, signal: AbortSignal): Promise<void>;
  /** Returns the ARN. */
  import(request: ImportRequest, signal: AbortSignal): Promise<string>;
  /** Every certificate of the region, also those that ACM issued itself; at most 50,000. */
  listAll(found: (summary: CertificateSummary) => Promise<void>, signal: AbortSignal): Promise<void>;
  /** Every imported certificate of the region, within bounds. */
  listImported(signal: AbortSignal): Promise<CertificateSummary[]>;
  /** Throws unless ACM answers and lets us look. */
  check(signal: AbortSignal): Promise<void>;
}

const ACM: AwsService = {
  name: "ACM",
  permissions: "acm",
  // ACM user guide, "Quotas".
  quotaAdvice:
    "raise the quota in Service Quotas, or delete certificates nothing uses; by default a region takes 2,500 " +
    "imported certificates and 5,000 imports within 365 days",
};

interface Loaded {
  readonly sdk: typeof import("@aws-sdk/client-acm");
  readonly client: ACMClient;
}

const PAGE_SIZE = 1000;
/** Twenty times the default quota of an account. */
const PAGES_MAX = 50;

export function createAcm(access: AwsAccess): Acm {
  const where = `ACM in ${access.region}`;
  const call = awsCalls(ACM, where, access, async (config): Promise<Loaded> => {
    const sdk = await import("@aws-sdk/client-acm");
    return { sdk, client: new sdk.ACMClient(config) };
  });

  /** False: there are more. */
  async function everyPage(
    take: (page: readonly CertificateSummary[]) => Promise<void>,
    signal: AbortSignal,
  ): Promise<boolean> {
    let token: string | undefined;
    for (let page = 0; page < PAGES_MAX; page++) {
      // Without keyTypes ACM lists RSA 1024 and 2048 only.
      const request = {
        MaxItems: PAGE_SIZE,
        Includes: { keyTypes: [...IMPORTABLE] },
        ...(token !== undefined && { NextToken: token }),
      };
      const answer = await call(
        { action: "ListCertificates" },
        ({ sdk, client }, options) => client.send(new sdk.ListCertificatesCommand(request), options),
        signal,
      );
      await take(answer.CertificateSummaryList ?? []);
      token = answer.NextToken;
      if (token === undefined) return true;
    }
    return false;
  }

  return {
    where,
    async describe(arn, signal) {
      const send = async (
        { sdk, client }: Loaded,
        options: { abortSignal: AbortSignal },
      ): Promise<CertificateDetail | null> => {
        try {
          return (
            (await client.send(new sdk.DescribeCertificateCommand({ CertificateArn: arn }), options)).Certificate ??
            null
          );
        } catch (error) {
          if (error instanceof sdk.ResourceNotFoundException) return null;
          throw error;
        }
      };
      return await call({ action: "DescribeCertificate" }, send, signal);
    },
    async pem(arn, signal) {
      const send = async (
        { sdk, client }: Loaded,
        options: { abortSignal: AbortSignal },
      ): Promise<ImportedPem | null> => {
        try {
          const answer = await client.send(new sdk.GetCertificateCommand({ CertificateArn: arn }), options);
          if (answer.Certificate === undefined) return null;
          return { leaf: answer.Certificate, chain: answer.CertificateChain ?? "" };
        } catch (error) {
          if (error instanceof sdk.ResourceNotFoundException) return null;
          throw error;
        }
      };
      return await call({ action: "GetCertificate" }, send, signal);
    },
    async tags(arn, signal) {
      const answer = await call(
        { action: "ListTagsForCertificate" },
        ({ sdk, client }, options) =>
          client.send(new sdk.ListTagsForCertificateCommand({ CertificateArn: arn }), options),
        signal,
      );
      return readTags(answer.Tags);
    },
    async addTags(arn, tags, signal) {
      await call(
        { action: "AddTagsToCertificate" },
        ({ sdk, client }, options) =>
          client.send(new sdk.AddTagsToCertificateCommand({ CertificateArn: arn, Tags: tagList(tags) }), options),
        signal,
      );
    },
    async import({ arn, cert, chain, privateKey, tags }, signal) {
      const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
      const send = ({ sdk, client }: Loaded, options: { abortSignal: AbortSignal }) =>
        client.send(
          new sdk.ImportCertificateCommand({
            Certificate: bytes(cert),
            PrivateKey: bytes(privateKey.reveal()),
            ...(chain !== "" && { CertificateChain: bytes(chain) }),
            ...(arn !== null && { CertificateArn: arn }),
            ...(tags !== null && { Tags: tagList(tags) }),
          }),
          options,
        );
      const answer = await call({ action: "ImportCertificate", hidden: privateKey }, send, signal);
      if (answer.CertificateArn === undefined)
        throw new RenewalError("deploy.unreachable", `${where}: ImportCertificate answered without an ARN`);
      return answer.CertificateArn;
    },
    async listImported(signal) {
      const found: CertificateSummary[] = [];
      const isWhole = await everyPage(async (page) => {
        found.push(...page.filter(({ Type }) => Type === undefined || Type === "IMPORTED"));
      }, signal);
      if (isWhole) return found;
      throw new RenewalError(
        "deploy.refused",
        `${where} holds more than ${PAGE_SIZE * PAGES_MAX} certificates; name this certificate's \`arn\``,
      );
    },
    async listAll(found, signal) {
      await everyPage(async (page) => {
        for (const summary of page) await found(summary);
      }, signal);
    },
    async check(signal) {
      await call(
        { action: "ListCertificates" },
        ({ sdk, client }, options) => client.send(new sdk.ListCertificatesCommand({ MaxItems: 1 }), options),
        signal,
      );
    },
  };
}
