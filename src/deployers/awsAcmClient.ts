import type { ACMClient, CertificateDetail, CertificateSummary } from "@aws-sdk/client-acm";
import { RenewalError } from "../domain/errors.ts";
import type { Secret } from "../domain/secret.ts";
import { acmError } from "./awsAcmError.ts";
import { IMPORTABLE } from "./awsAcmRules.ts";

export interface AcmAccess {
  readonly region: string;
  readonly endpoint?: string | undefined;
  readonly profile?: string | undefined;
  readonly timeoutMs: number;
}

export interface ImportRequest {
  /** null: a new one. */
  readonly arn: string | null;
  readonly cert: string;
  readonly chain: string;
  readonly privateKey: Secret;
  /** Only with a new one: ACM refuses tags on re-import. */
  readonly tags: Readonly<Record<string, string>> | null;
}

/** The calls renewd makes, with every failure a RenewalError. Nothing here tries again: that is decided in one place only. */
export interface Acm {
  /** null: there is no such certificate. */
  describe(arn: string, signal: AbortSignal): Promise<CertificateDetail | null>;
  tags(arn: string, signal: AbortSignal): Promise<Readonly<Record<string, string>>>;
  addTags(arn: string, tags: Readonly<Record<string, string>>, signal: AbortSignal): Promise<void>;
  /** Returns the ARN. */
  import(request: ImportRequest, signal: AbortSignal): Promise<string>;
  /** Every imported certificate of the region, within bounds. */
  listImported(signal: AbortSignal): Promise<CertificateSummary[]>;
  /** Throws unless ACM answers and lets us look. */
  check(signal: AbortSignal): Promise<void>;
}

interface Loaded {
  readonly sdk: typeof import("@aws-sdk/client-acm");
  readonly client: ACMClient;
}

const PAGE_SIZE = 1000;
/** Twenty times the default quota of an account. */
const PAGES_MAX = 50;

export function createAcm(access: AcmAccess): Acm {
  // Loaded at first use: the SDK takes longer to load than most commands to run.
  let loading: Promise<Loaded> | null = null;
  const load = async (): Promise<Loaded> => {
    const sdk = await import("@aws-sdk/client-acm");
    const { region, endpoint, profile } = access;
    const client = new sdk.ACMClient({ region, maxAttempts: 1, ...(endpoint !== undefined && { endpoint }), ...(profile !== undefined && { profile }) });
    return { sdk, client };
  };
  async function call<T>(
    action: string,
    signal: AbortSignal,
    secret: Secret | null,
    send: (loaded: Loaded, options: { abortSignal: AbortSignal }) => Promise<T>,
  ): Promise<T> {
    signal.throwIfAborted();
    loading ??= load();
    const loaded = await loading;
    const timeout = AbortSignal.timeout(access.timeoutMs);
    try {
      return await send(loaded, { abortSignal: AbortSignal.any([signal, timeout]) });
    } catch (error) {
      signal.throwIfAborted();
      if (timeout.aborted) throw new RenewalError("deploy.timeout", `ACM in ${access.region}: ${action} did not answer within ${access.timeoutMs} ms`);
      throw acmError(error, { action, region: access.region, secret }, Date.now());
    }
  }

  return {
    async describe(arn, signal) {
      return await call("DescribeCertificate", signal, null, async ({ sdk, client }, options) => {
        try {
          return (await client.send(new sdk.DescribeCertificateCommand({ CertificateArn: arn }), options)).Certificate ?? null;
        } catch (error) {
          if (error instanceof sdk.ResourceNotFoundException) return null;
          throw error;
        }
      });
    },
    async tags(arn, signal) {
      const answer = await call("ListTagsForCertificate", signal, null, ({ sdk, client }, options) =>
        client.send(new sdk.ListTagsForCertificateCommand({ CertificateArn: arn }), options),
      );
      return Object.fromEntries((answer.Tags ?? []).map(({ Key, Value }) => [Key ?? "", Value ?? ""]));
    },
    async addTags(arn, tags, signal) {
      await call("AddTagsToCertificate", signal, null, ({ sdk, client }, options) =>
        client.send(new sdk.AddTagsToCertificateCommand({ CertificateArn: arn, Tags: tagList(tags) }), options),
      );
    },
    async import({ arn, cert, chain, privateKey, tags }, signal) {
      const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
      const answer = await call("ImportCertificate", signal, privateKey, ({ sdk, client }, options) =>
        client.send(
          new sdk.ImportCertificateCommand({
            Certificate: bytes(cert),
            PrivateKey: bytes(privateKey.reveal()),
            ...(chain !== "" && { CertificateChain: bytes(chain) }),
            ...(arn !== null && { CertificateArn: arn }),
            ...(tags !== null && { Tags: tagList(tags) }),
          }),
          options,
        ),
      );
      if (answer.CertificateArn === undefined)
        throw new RenewalError("deploy.unreachable", `ACM in ${access.region}: ImportCertificate answered without an ARN`);
      return answer.CertificateArn;
    },
    async listImported(signal) {
      const found: CertificateSummary[] = [];
      let token: string | undefined;
      for (let page = 0; page < PAGES_MAX; page++) {
        const answer = await call("ListCertificates", signal, null, ({ sdk, client }, options) =>
          // Without keyTypes ACM lists RSA 1024 and 2048 only.
          client.send(
            new sdk.ListCertificatesCommand({ MaxItems: PAGE_SIZE, Includes: { keyTypes: [...IMPORTABLE] }, ...(token !== undefined && { NextToken: token }) }),
            options,
          ),
        );
        found.push(...(answer.CertificateSummaryList ?? []).filter(({ Type }) => Type === undefined || Type === "IMPORTED"));
        token = answer.NextToken;
        if (token === undefined) return found;
      }
      throw new RenewalError(
        "deploy.refused",
        `ACM in ${access.region} holds more than ${PAGE_SIZE * PAGES_MAX} certificates; name this certificate's \`arn\``,
      );
    },
    async check(signal) {
      await call("ListCertificates", signal, null, ({ sdk, client }, options) => client.send(new sdk.ListCertificatesCommand({ MaxItems: 1 }), options));
    },
  };
}

function tagList(tags: Readonly<Record<string, string>>): { Key: string; Value: string }[] {
  return Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));
}
