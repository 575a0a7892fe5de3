import type { Deployer, DeployRequest } from "../../domain/deployer.ts";
import type { DeployReceipt } from "../../domain/deployment.ts";
import { RenewalError } from "../../domain/errors.ts";
import type { Plugin } from "../../domain/plugin.ts";
import type { IssuedCertificate } from "../../domain/version.ts";
import type { DeployerDependencies } from "../base/dependencies.ts";
import { type Mark, marksOf, readMarks, refuseForeignOrOlder } from "../base/generationTags.ts";
import { type PairPem, pairPem } from "../base/pairPem.ts";
import { resolveName } from "../base/resourceName.ts";
import { type KvSecret, openVault, type VaultSession } from "./client.ts";
import { KINDS, PATH_RULE, type VaultOptions, vaultOptions } from "./options.ts";

export const vault: Plugin<VaultOptions, DeployerDependencies, Deployer> = {
  type: "vault",
  description: "Writes the pair as a new version of a secret in Vault's or OpenBao's KV engine, version 2, with check-and-set.",
  options: vaultOptions,
  create: (made, dependencies) => ({
    deploy: (request, signal) => deploy(made, dependencies, request, signal),
    async preflight(certificate, _leaf, signal) {
      const path = pathOf(made, certificate);
      await using session = await openVault(made, dependencies, signal);
      if ((await session.read(path, signal)).version === 0) await session.requireVersion2(signal);
    },
  }),
  // Names of one Vault's secrets; that two addresses may be one Vault cannot be known here.
  occupies: (made, certificate) => [`${new URL(made.address).origin} ${made.namespace ?? ""} ${made.mount}/${pathOf(made, certificate)}`],
};

/**
 * One write puts the whole pair and the generation with it, and only on the version that was read (`cas`): whoever comes in
 * between makes it fail, so no older pair gets over a newer one, and a reader sees the old secret or the new.
 */
async function deploy(made: VaultOptions, dependencies: DeployerDependencies, { pair }: DeployRequest, signal: AbortSignal): Promise<DeployReceipt> {
  const fields = fieldsOf(made, pairPem(pair));
  const path = pathOf(made, pair.certificate);
  signal.throwIfAborted();
  await using session = await openVault(made, dependencies, signal);
  const held = await session.read(path, signal);
  refuse(made, pair, held);
  if (held.version === 0) await session.requireVersion2(signal);
  const data = { ...held.data, ...fields, ...marksOf(pair, fieldOf) };
  const current = held.data !== null && Object.entries(data).every(([name, value]) => held.data?.[name] === value);
  const version = current ? held.version : await write(made, session, { pair, data, cas: held.version }, signal);
  if (made.customMetadata) await session.describe(path, { renewd_certificate: pair.certificate, renewd_generation: String(pair.generation) }, signal);
  return { path: `${made.mount}/${path}`, version, generation: pair.generation, fingerprint: pair.leaf.fingerprint };
}

interface Write {
  readonly pair: IssuedCertificate;
  readonly data: Readonly<Record<string, unknown>>;
  readonly cas: number;
}

async function write(made: VaultOptions, session: VaultSession, { pair, data, cas }: Write, signal: AbortSignal): Promise<number> {
  const path = pathOf(made, pair.certificate);
  const outcome = await session.write(path, { data, cas, secrets: [pair.privateKey] }, signal);
  if ("version" in outcome) return outcome.version;
  // A refused check-and-set and a malformed request are both 400, told apart by whether somebody was faster.
  const now = await session.read(path, signal);
  if (now.version === cas) throw outcome.refusal;
  refuse(made, pair, now);
  throw new RenewalError("deploy.unreachable", `${nameOf(made, path)} was changed by somebody else while it was written`);
}

function refuse(made: VaultOptions, pair: IssuedCertificate, held: KvSecret): void {
  if (held.data === null) return;
  const name = nameOf(made, pathOf(made, pair.certificate));
  const marks = readMarks(held.data, fieldOf);
  refuseForeignOrOlder(pair, marks, { name, mark: `its field ${fieldOf("generation")}` });
  const ours = new Set<string>(Object.values(made.fields));
  const others = Object.keys(held.data).filter((field) => !ours.has(field)).length;
  if (marks !== null || others === 0) return;
  throw new RenewalError("deploy.refused", `${name} is somebody else's: it has ${others} fields that renewd does not write; choose another \`path\``);
}

function fieldsOf({ fields }: VaultOptions, { cert, chain, fullchain, privkey, bundle }: PairPem): Record<string, string> {
  const parts = { certificate: cert, chain, fullchain, privateKey: privkey, bundle };
  return Object.fromEntries(KINDS.flatMap((kind): [string, string][] => (fields[kind] === undefined ? [] : [[fields[kind], parts[kind]]])));
}

function fieldOf(mark: Mark): string {
  return mark === "notBefore" ? "renewd_not_before" : `renewd_${mark}`;
}

function pathOf(made: VaultOptions, certificate: string): string {
  return resolveName(made.path, certificate, PATH_RULE);
}

function nameOf(made: VaultOptions, path: string): string {
  return `secret ${made.mount}/${path}${made.namespace === undefined ? "" : ` in namespace ${made.namespace}`}`;
}
