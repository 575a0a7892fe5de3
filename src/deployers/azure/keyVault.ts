import { createHash, X509Certificate } from "node:crypto";
import { z } from "zod";
import type { Deployer, DeployRequest, InspectRequest, InstalledPair } from "../../domain/deployer.ts";
import type { DeployReceipt } from "../../domain/deployment.ts";
import { RenewalError } from "../../domain/errors.ts";
import type { Plugin } from "../../domain/plugin.ts";
import type { IssuedCertificate } from "../../domain/version.ts";
import type { DeployerDependencies } from "../base/dependencies.ts";
import { durationOption } from "../base/duration.ts";
import {
  type GenerationTag,
  type Holder,
  readTags,
  refuseForeign,
  refuseForeignOrOlder,
  tagsOf,
} from "../base/generationTags.ts";
import { installedPair } from "../base/installedPair.ts";
import { pairPem } from "../base/pairPem.ts";
import { type NameRule, nameOption, resolveName } from "../base/resourceName.ts";
import { secretOption } from "../base/secretOption.ts";
import { createKeyVault, type HeldCertificate, type KeyVault, PEM } from "./keyVaultClient.ts";

// https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates#object-identifiers
const NAME_RULE: NameRule = {
  valid: /^[0-9A-Za-z-]{1,127}$/,
  advice: "a Key Vault name has 1 to 127 letters, digits and hyphens",
  unknown: /[^0-9a-z-]/g,
};
const MARK_PREFIX = "renewd-";
const TAGS_MAX = 15;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

const optionsSchema = z.strictObject({
  vault: z.url({ protocol: /^https$/ }).describe("URL of the vault, such as https://edge.vault.azure.net."),
  name: nameOption(NAME_RULE, "{certificate}").describe(
    "Name of the certificate in the vault. `{certificate}` stands for the certificate's name, with hyphens for " +
      "characters Key Vault does not allow.",
  ),
  tags: z
    .record(z.string().min(1).max(256), z.string().max(256))
    .refine((tags) => Object.keys(tags).length <= 11, "at most 11 tags: Key Vault allows 15, and 4 are renewd's")
    .refine(
      (tags) => !Object.keys(tags).some((key) => key.startsWith(MARK_PREFIX)),
      `keys beginning with ${MARK_PREFIX} are reserved`,
    )
    .default({})
    .describe("Further tags of each version."),
  credential: z
    .strictObject({
      tenantId: z.string().regex(UUID, "give the tenant's ID").describe("Microsoft Entra tenant."),
      clientId: z.string().regex(UUID, "give the application's client ID").describe("Application (service principal)."),
      clientSecret: secretOption.describe("Its client secret: env:NAME or file:/path."),
    })
    .optional()
    .describe(
      "Service principal. Default: Azure's own chain (environment, workload identity, managed identity, Azure CLI …).",
    ),
  adopt: z
    .boolean()
    .default(false)
    .describe("Whether a certificate that renewd did not import is taken over. Default: it is refused."),
  timeout: durationOption("30s").describe("Time one call may take: 500ms, 30s, 2m."),
});

type KeyVaultOptions = z.infer<typeof optionsSchema>;

export const azureKeyVault: Plugin<KeyVaultOptions, DeployerDependencies, Deployer> = {
  type: "azure-key-vault",
  served: false,
  description:
    "Imports the pair as a new version of a certificate in Azure Key Vault, which Azure's services follow by " +
    "themselves.",
  options: optionsSchema,
  create(options, dependencies) {
    const api = createKeyVault(
      { vault: options.vault, credential: options.credential, timeoutMs: options.timeout },
      dependencies,
    );
    return {
      deploy: (request, signal) => deploy(api, options, request, signal),
      async preflight(certificate, _leaf, signal) {
        const name = nameOf(options, certificate);
        const held = await api.read(name, signal);
        if (held !== null) {
          refuseOthers(options, name, held);
          refuseForeign(certificate, readTags(held.tags, tagOf), holderOf(name));
        } else await api.requireNotDeleted(name, signal);
      },
      untried: "the right to import (certificates/import)",
      inspect: (request, signal) => inspect(api, options, request, signal),
      async held(found, signal) {
        for (const name of await api.names(signal)) {
          const held = await api.read(name, signal);
          if (held === null || held.der.length === 0) continue;
          const target = { type: "azure-key-vault", vault: options.vault, name, adopt: true };
          found({ certificate: held.der, place: `${new URL(options.vault).hostname}/certificates/${name}`, target });
        }
      },
    };
  },
  occupies: (options, certificate) => [
    `${new URL(options.vault).origin}/certificates/${nameOf(options, certificate).toLowerCase()}`,
  ],
  // https://learn.microsoft.com/azure/key-vault/certificates/about-certificates#supported-key-types: RSA of 2048, 3072
  // or 4096 bits, EC on P-256, P-384, P-521 and P-256K.
  limits: () => ({ keyTypes: ["rsa-2048", "rsa-3072", "rsa-4096", "ecdsa-p256", "ecdsa-p384"] }),
};

/**
 * An import creates a version that has its tags from the start. Earlier versions stay. Key Vault offers no
 * compare-and-set; the deployment's fence separates two writers.
 */
async function deploy(
  api: KeyVault,
  options: KeyVaultOptions,
  { pair }: DeployRequest,
  signal: AbortSignal,
): Promise<DeployReceipt> {
  const pem = pairPem(pair);
  const name = nameOf(options, pair.certificate);
  const held = await api.read(name, signal);
  if (held !== null) refuse(options, name, pair, held);
  const tags = { ...othersTags(held), ...options.tags, ...tagsOf(pair, tagOf) };
  if (Object.keys(tags).length > TAGS_MAX) throw tooManyTags(name);
  const receiptOf = (version: string): DeployReceipt => ({
    name,
    version,
    generation: pair.generation,
    fingerprint: pair.leaf.fingerprint,
  });
  if (held === null || fingerprintOf(held) !== pair.leaf.fingerprint) {
    return receiptOf(await api.import({ name, pem: pem.bundle, tags, secret: pair.privateKey }, signal));
  }
  const missing = Object.entries(tags).some(([key, value]) => held.tags[key] !== value);
  if (missing) await api.tag({ name, version: held.version, tags: { ...held.tags, ...tags } }, signal);
  return receiptOf(held.version);
}

/** The current version's `cer`. The key is a secret of its own, which renewd needs no right to read. */
async function inspect(
  api: KeyVault,
  options: KeyVaultOptions,
  { certificate }: InspectRequest,
  signal: AbortSignal,
): Promise<InstalledPair> {
  const name = nameOf(options, certificate);
  const held = await api.read(name, signal);
  const shown = `certificate ${name} in ${options.vault}`;
  const names = { certificate: shown, key: shown };
  return installedPair({ certificate: held === null ? null : pemOf(held), key: undefined, names });
}

/** Empty: not a certificate. */
function pemOf({ der }: HeldCertificate): string {
  try {
    return new X509Certificate(der).toString();
  } catch {
    return "";
  }
}

function refuse(options: KeyVaultOptions, name: string, pair: IssuedCertificate, held: HeldCertificate): void {
  refuseOthers(options, name, held);
  refuseForeignOrOlder(pair, readTags(held.tags, tagOf), holderOf(name));
}

function holderOf(name: string): Holder {
  return { name: `certificate ${name}`, mark: `its tag ${tagOf("generation")}` };
}

/** Throws `deploy.refused` for a certificate that must not become ours. */
function refuseOthers({ adopt }: KeyVaultOptions, name: string, held: HeldCertificate): void {
  if (readTags(held.tags, tagOf) === null && held.issuer !== null && held.issuer !== "Unknown") {
    throw new RenewalError(
      "deploy.refused",
      `certificate ${name} is issued and renewed by Key Vault itself (issuer ${held.issuer}); choose another \`name\``,
    );
  }
  // The content type is what services read the secret as: changing it under them breaks them.
  if (held.contentType !== null && held.contentType !== PEM) {
    throw new RenewalError(
      "deploy.refused",
      `certificate ${name} holds ${held.contentType}, and renewd imports ${PEM}; choose another \`name\``,
    );
  }
  if (readTags(held.tags, tagOf) === null && !adopt)
    throw new RenewalError(
      "deploy.refused",
      `certificate ${name} was not imported by renewd (it has no tag ${tagOf("generation")}): name another, or ` +
        `set \`adopt: true\``,
    );
}

/** Tags belong to a version: those that people gave the last one would be gone with the next. */
function othersTags(held: HeldCertificate | null): Record<string, string> {
  return Object.fromEntries(Object.entries(held?.tags ?? {}).filter(([key]) => !key.startsWith(MARK_PREFIX)));
}

function tooManyTags(name: string): RenewalError {
  return new RenewalError(
    "deploy.refused",
    `certificate ${name} has more tags than fit beside renewd's four, as Key Vault allows ${TAGS_MAX}: remove some`,
  );
}

function fingerprintOf({ der }: HeldCertificate): string {
  return createHash("sha256").update(der).digest("hex");
}

function tagOf(mark: GenerationTag): string {
  return `${MARK_PREFIX}${mark === "notBefore" ? "not-before" : mark}`;
}

function nameOf(options: KeyVaultOptions, certificate: string): string {
  return resolveName(options.name, certificate, NAME_RULE);
}
