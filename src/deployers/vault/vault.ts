import type { Deployer, DeployRequest, InspectRequest, InstalledPair } from "../../domain/deployer.ts";
import type { DeployReceipt } from "../../domain/deployment.ts";
import { RenewalError } from "../../domain/errors.ts";
import type { CredentialEnd } from "../../domain/horizon.ts";
import type { Plugin } from "../../domain/plugin.ts";
import type { IssuedCertificate } from "../../domain/version.ts";
import type { DeployerDependencies } from "../base/dependencies.ts";
import { type GenerationTag, readTags, refuseForeign, refuseForeignOrOlder, tagsOf } from "../base/generationTags.ts";
import { installedPair } from "../base/installedPair.ts";
import { type PairPem, pairPem } from "../base/pairPem.ts";
import { resolveName } from "../base/resourceName.ts";
import { type KvSecret, openVault, type VaultSession } from "./client.ts";
import { KINDS, PATH_RULE, type VaultOptions, vaultOptions } from "./options.ts";

export const vault: Plugin<VaultOptions, DeployerDependencies, Deployer> = {
  type: "vault",
  served: false,
  description:
    "Writes the pair as a new version of a secret in Vault's or OpenBao's KV engine, version 2, with check-and-set.",
  options: vaultOptions,
  create: (options, dependencies) => ({
    deploy: (request, signal) => deploy(options, dependencies, request, signal),
    async preflight(certificate, _leaf, signal) {
      const path = pathOf(options, certificate);
      await using session = await openVault(options, dependencies, signal);
      const held = await session.read(path, signal);
      refuseOthers(options, certificate, held);
      if (held.version === 0) await session.requireVersion2(signal);
      await session.requireCapability(held.version === 0 ? "create" : "update", `data/${path}`, signal);
      if (options.customMetadata) await session.requireCapability("patch", `metadata/${path}`, signal);
    },
    inspect: (request, signal) => inspect(options, dependencies, request, signal),
    // The kubelet renews a pod's token by itself.
    ...(!("kubernetes" in options.auth) && { credentials: (signal) => credentialEnds(options, dependencies, signal) }),
  }),
  // Names of one Vault's secrets. Two addresses may be the same Vault, which is not visible here.
  occupies: (options, certificate) => [
    `${new URL(options.address).origin} ${options.namespace ?? ""} ${options.mount}/${pathOf(options, certificate)}`,
  ],
};

/** Of the token; where a login makes one for each use, of the secret ID that it logs in with. */
async function credentialEnds(
  options: VaultOptions,
  dependencies: DeployerDependencies,
  signal: AbortSignal,
): Promise<CredentialEnd[]> {
  await using session = await openVault(options, dependencies, signal);
  if ("token" in options.auth) return [{ what: "token", note: null, ...(await session.lookUpToken(signal)) }];
  const found = await session.lookUpSecretId(signal);
  if (found === null) return [{ what: "secret ID", ends: null, begins: null, note: UNTOLD }];
  const { uses, ...times } = found;
  const note = uses === null ? null : `${uses} logins left, of which each deployment and each look takes one`;
  return [{ what: "secret ID", ...times, note }];
}

const UNTOLD =
  "Vault does not tell: its policy needs update on auth/MOUNT/role/ROLE/secret-id/lookup; else declare its end";

/**
 * One write holds the whole pair and its generation, and only follows the version that was read (`cas`). A write in
 * between makes it fail, so an older pair never replaces a newer one, and a reader sees the old secret or the new one.
 */
async function deploy(
  options: VaultOptions,
  dependencies: DeployerDependencies,
  { pair }: DeployRequest,
  signal: AbortSignal,
): Promise<DeployReceipt> {
  const fields = fieldsOf(options, pairPem(pair));
  const path = pathOf(options, pair.certificate);
  signal.throwIfAborted();
  await using session = await openVault(options, dependencies, signal);
  const held = await session.read(path, signal);
  refuse(options, pair, held);
  if (held.version === 0) await session.requireVersion2(signal);
  const data = { ...held.data, ...fields, ...tagsOf(pair, fieldOf) };
  const current = held.data !== null && Object.entries(data).every(([name, value]) => held.data?.[name] === value);
  const version = current ? held.version : await write(options, session, { pair, data, cas: held.version }, signal);
  if (options.customMetadata)
    await session.describe(
      path,
      { renewd_certificate: pair.certificate, renewd_generation: String(pair.generation) },
      signal,
    );
  return { path: `${options.mount}/${path}`, version, generation: pair.generation, fingerprint: pair.leaf.fingerprint };
}

async function inspect(
  options: VaultOptions,
  dependencies: DeployerDependencies,
  { certificate }: InspectRequest,
  signal: AbortSignal,
): Promise<InstalledPair> {
  const path = pathOf(options, certificate);
  await using session = await openVault(options, dependencies, signal);
  const { data } = await session.read(path, signal);
  const { fields } = options;
  const leaf = fields.certificate ?? fields.fullchain ?? fields.bundle ?? "";
  const key = fields.privateKey ?? fields.bundle ?? "";
  const text = (field: string): string | null => {
    const value = data?.[field];
    return typeof value === "string" ? value : null;
  };
  const shown = (field: string): string => `${field} of ${nameOf(options, path)}`;
  const names = { certificate: shown(leaf), key: shown(key) };
  const chain = fields.chain ?? fields.fullchain ?? fields.bundle;
  return installedPair({ certificate: text(leaf), key: text(key), chain: chain && (text(chain) ?? ""), names });
}

interface Write {
  readonly pair: IssuedCertificate;
  readonly data: Readonly<Record<string, unknown>>;
  readonly cas: number;
}

async function write(
  options: VaultOptions,
  session: VaultSession,
  { pair, data, cas }: Write,
  signal: AbortSignal,
): Promise<number> {
  const path = pathOf(options, pair.certificate);
  const outcome = await session.write(path, { data, cas, secrets: [pair.privateKey] }, signal);
  if ("version" in outcome) return outcome.version;
  // A refused check-and-set and a malformed request are both 400. A newer version shows which of the two it was.
  const now = await session.read(path, signal);
  if (now.version === cas) throw outcome.refusal;
  refuse(options, pair, now);
  throw new RenewalError(
    "deploy.unreachable",
    `${nameOf(options, path)} was changed by something else while it was written`,
  );
}

function refuse(options: VaultOptions, pair: IssuedCertificate, held: KvSecret): void {
  refuseOthers(options, pair.certificate, held);
  const name = nameOf(options, pathOf(options, pair.certificate));
  const marks = readTags(held.data ?? {}, fieldOf);
  refuseForeignOrOlder(pair, marks, { name, mark: `its field ${fieldOf("generation")}` });
}

/** Throws `deploy.refused` for a secret that belongs to others. */
function refuseOthers(options: VaultOptions, certificate: string, held: KvSecret): void {
  if (held.data === null) return;
  const name = nameOf(options, pathOf(options, certificate));
  const marks = readTags(held.data, fieldOf);
  refuseForeign(certificate, marks, { name, mark: `its field ${fieldOf("generation")}` });
  const ours = new Set<string>(Object.values(options.fields));
  const others = Object.keys(held.data).filter((field) => !ours.has(field)).length;
  if (marks !== null || others === 0) return;
  throw new RenewalError(
    "deploy.refused",
    `${name} belongs to others: it has ${others} fields that renewd does not write; choose another \`path\``,
  );
}

function fieldsOf(
  { fields }: VaultOptions,
  { cert, chain, fullchain, privkey, bundle }: PairPem,
): Record<string, string> {
  const parts = { certificate: cert, chain, fullchain, privateKey: privkey, bundle };
  return Object.fromEntries(
    KINDS.flatMap((kind): [string, string][] => (fields[kind] === undefined ? [] : [[fields[kind], parts[kind]]])),
  );
}

function fieldOf(mark: GenerationTag): string {
  return mark === "notBefore" ? "renewd_not_before" : `renewd_${mark}`;
}

function pathOf(options: VaultOptions, certificate: string): string {
  return resolveName(options.path, certificate, PATH_RULE);
}

function nameOf(options: VaultOptions, path: string): string {
  return `secret ${options.mount}/${path}${options.namespace === undefined ? "" : ` in namespace ${options.namespace}`}`;
}
