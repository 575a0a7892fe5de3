import type { TokenCredential } from "@azure/identity";
import type { CertificateClient, KeyVaultCertificateWithPolicy } from "@azure/keyvault-certificates";
import { RenewalError } from "../../domain/errors.ts";
import type { Secret } from "../../domain/secret.ts";
import type { SecretReference } from "../../domain/secretReference.ts";
import type { DeployerDependencies } from "../base/dependencies.ts";
import { optionalPackage } from "../base/optionalPackage.ts";
import { callSdk } from "../base/sdkCall.ts";
import { azureError, statusOf } from "./error.ts";

export const PEM = "application/x-pem-file";

export interface KeyVaultAccess {
  readonly vault: string;
  readonly credential:
    | { readonly tenantId: string; readonly clientId: string; readonly clientSecret: SecretReference }
    | undefined;
  readonly timeoutMs: number;
}

/** The current version of a certificate. */
export interface HeldCertificate {
  readonly version: string;
  readonly der: Uint8Array;
  readonly tags: Readonly<Record<string, string>>;
  /** null: the policy names none. */
  readonly contentType: string | null;
  readonly issuer: string | null;
}

export interface KeyVaultImport {
  readonly name: string;
  /** Key, leaf and chain. */
  readonly pem: string;
  readonly tags: Record<string, string>;
  readonly secret: Secret;
}

/** The calls renewd makes. Every failure is a RenewalError. No call is retried here: only `renewal/` decides that. */
export interface KeyVault {
  /** null: there is no such certificate. */
  read(name: string, signal: AbortSignal): Promise<HeldCertificate | null>;
  /** Names of all certificates, at most 10,000. */
  names(signal: AbortSignal): Promise<readonly string[]>;
  /** Returns the version. */
  import(request: KeyVaultImport, signal: AbortSignal): Promise<string>;
  tag(
    request: { readonly name: string; readonly version: string; readonly tags: Record<string, string> },
    signal: AbortSignal,
  ): Promise<void>;
  /** Throws `deploy.refused` while the name belongs to a deleted certificate, as far as we may look. */
  requireNotDeleted(name: string, signal: AbortSignal): Promise<void>;
}

const NAMES_MAX = 10_000;

/**
 * Microsoft Entra's host for each cloud's vaults
 * (https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates#dns-suffixes-for-object-identifiers).
 */
const AUTHORITIES: Readonly<Record<string, string>> = {
  "vault.azure.cn": "https://login.chinacloudapi.cn",
  "vault.usgovcloudapi.net": "https://login.microsoftonline.us",
};

export function createKeyVault(access: KeyVaultAccess, dependencies: DeployerDependencies): KeyVault {
  const host = new URL(access.vault).hostname;
  async function call<T>(
    action: string,
    name: string,
    secret: Secret | null,
    signal: AbortSignal,
    send: (client: CertificateClient, abortSignal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    signal.throwIfAborted();
    const what = `Key Vault ${host}: ${action} ${name}`;
    const secrets = secret === null ? [] : [secret];
    const run = async (abortSignal: AbortSignal): Promise<T> =>
      await send(await connect(access, dependencies), abortSignal);
    return await callSdk(
      { what, timeoutMs: access.timeoutMs, run, translate: (error) => azureError(error, { what, action, secrets }) },
      signal,
    );
  }
  return {
    async read(name, signal) {
      return await call("get", name, null, signal, async (client, abortSignal) =>
        heldOf(await orNull(404, client.getCertificate(name, { abortSignal }))),
      );
    },
    async names(signal) {
      return await call("list", "certificates", null, signal, async (client, abortSignal) => {
        const found: string[] = [];
        for await (const { name } of client.listPropertiesOfCertificates({ abortSignal })) {
          if (name !== undefined) found.push(name);
          if (found.length >= NAMES_MAX) break;
        }
        return found;
      });
    },
    async import({ name, pem, tags, secret }, signal) {
      const options = await call("import", name, secret, signal, (client, abortSignal) =>
        client.importCertificate(name, new TextEncoder().encode(pem), importOptions(tags, abortSignal)),
      );
      return options.properties.version ?? "";
    },
    async tag({ name, version, tags }, signal) {
      await call("update", name, null, signal, (client, abortSignal) =>
        client.updateCertificateProperties(name, version, { tags, abortSignal }),
      );
    },
    async requireNotDeleted(name, signal) {
      const deleted = await call("get deleted", name, null, signal, (client, abortSignal) =>
        // 403: looking at deleted certificates is a permission of its own, which deploying does not need.
        orNull(403, orNull(404, client.getDeletedCertificate(name, { abortSignal }))),
      );
      if (deleted === null) return;
      throw new RenewalError(
        "deploy.refused",
        `Key Vault ${host} keeps the name ${name} for a deleted certificate: recover or purge it, or choose ` +
          `another \`name\``,
      );
    },
  };
}

/** Created for each call, so that a rotated client secret is used. The SDKs load at first use: they are large. */
async function connect(
  { vault, credential }: KeyVaultAccess,
  { secret }: DeployerDependencies,
): Promise<CertificateClient> {
  const identity = await optionalPackage("@azure/identity", () => import("@azure/identity"));
  const { CertificateClient } = await optionalPackage(
    "@azure/keyvault-certificates",
    () => import("@azure/keyvault-certificates"),
  );
  const suffix = new URL(vault).hostname.split(".").slice(1).join(".");
  const authorityHost = AUTHORITIES[suffix];
  const retryOptions = { maxRetries: 0 };
  const common = { retryOptions, ...(authorityHost !== undefined && { authorityHost }) };
  const token: TokenCredential =
    credential === undefined
      ? new identity.DefaultAzureCredential(common)
      : new identity.ClientSecretCredential(
          credential.tenantId,
          credential.clientId,
          (await secret(credential.clientSecret)).reveal(),
          common,
        );
  return new CertificateClient(vault, token, { retryOptions });
}

/**
 * `policy` tells the client how to encode the bytes, but it sends none (seen in 4.10: its serializer reads
 * `certificatePolicy`, in the service's own shape), and Key Vault reads a PEM file only when the policy says that it is
 * one.
 */
function importOptions(tags: Record<string, string>, abortSignal: AbortSignal) {
  const certificatePolicy = {
    keyProperties: { exportable: true },
    secretProperties: { contentType: PEM },
    issuerParameters: { name: "Unknown" },
  };
  return {
    policy: { contentType: PEM, exportable: true, issuerName: "Unknown" } as const,
    certificatePolicy,
    tags,
    abortSignal,
  };
}

async function orNull<T>(status: number, asked: Promise<T>): Promise<T | null> {
  return await asked.catch((error: unknown) => {
    if (statusOf(error) === status) return null;
    throw error;
  });
}

function heldOf(certificate: KeyVaultCertificateWithPolicy | null): HeldCertificate | null {
  if (certificate === null) return null;
  const { cer, policy, properties } = certificate;
  return {
    version: properties.version ?? "",
    der: cer ?? new Uint8Array(),
    tags: properties.tags ?? {},
    contentType: policy?.contentType ?? null,
    issuer: policy?.issuerName ?? null,
  };
}
