import { join } from "node:path";
import type { z } from "zod";
import type { Secret } from "../domain/secret.ts";
import type { Config, DiscoveryConfig, IssuerConfig, RedisConfig } from "./config.ts";
import type { Resources } from "./read/files.ts";
import type { fileSchema } from "./schema/file.ts";
import type { issuerSchema } from "./schema/issuer.ts";
import { budgetOf, stagingOf } from "./schema/limits.ts";
import type { RedisSection } from "./schema/redis.ts";

type FileSection<Key extends keyof typeof fileSchema.shape> = z.output<(typeof fileSchema.shape)[Key]>;

export async function resolveIssuer(
  name: string,
  issuer: z.output<typeof issuerSchema>,
  resources: Resources,
): Promise<IssuerConfig | undefined> {
  const path = ["issuers", name];
  const trustPem = issuer.trust === undefined ? null : await resources.trust(issuer.trust, [...path, "trust"]);
  if (trustPem === undefined) return undefined;
  return {
    name,
    directory: issuer.directory,
    contact: issuer.contact.map((mail) => `mailto:${mail}`),
    termsOfServiceAgreed: issuer.termsOfServiceAgreed,
    trustPem,
    proxy: issuer.proxy ?? null,
    externalAccount: issuer.externalAccount ?? null,
    budget: budgetOf(name, issuer.directory, issuer.limits),
    staging: issuer.staging ?? stagingOf(issuer.directory),
    distrusted: issuer.distrusted,
    privateAddresses: issuer.privateAddresses ?? null,
    keyTypes: issuer.keyTypes ?? null,
    identifierTypes: issuer.identifierTypes ?? null,
    requestTimeoutMs: issuer.requestTimeout,
    orderTimeoutMs: issuer.orderTimeout,
  };
}

export function resolveDiscovery(
  { every, expiring, timeout, files, ...section }: FileSection<"discovery">,
  resources: Resources,
): DiscoveryConfig {
  const times = { everyMs: every ?? null, expiringMs: expiring, timeoutMs: timeout };
  return { ...section, ...times, files: files.map((path) => resources.absolute(path)) };
}

export async function resolveMasterKey(
  section: FileSection<"masterKey">,
  dataDir: string,
  resources: Resources,
): Promise<Config["masterKey"] | undefined> {
  if (section === undefined) return { file: join(dataDir, "master.key") };
  if ("file" in section) return { file: resources.absolute(section.file) };
  const key = await resources.secret(section, ["masterKey"]);
  return key && { key };
}

export async function resolveStore(
  section: FileSection<"store">,
  dataDir: string,
  resources: Resources,
): Promise<Config["store"] | undefined> {
  if (section.type === "sqlite")
    return {
      kind: "sqlite",
      file: section.file === undefined ? join(dataDir, "renewd.db") : resources.absolute(section.file),
    };
  const url = await resources.secret(section.url, ["store", "url"]);
  return url && { kind: "postgresql", url };
}

export function resolveWeb(
  { enabled, host, port, url, tls, metrics, httpreq }: FileSection<"web">,
  resources: Resources,
): Config["web"] {
  const files = tls && { certificate: resources.absolute(tls.certificate), key: resources.absolute(tls.key) };
  const clients = new Map(Object.entries(httpreq));
  return { enabled, host, port: port ?? null, url: url ?? null, tls: files ?? null, metrics, httpreq: clients };
}

/** A header whose value cannot be had is a mistake by itself, and left out here. */
export async function resolveTracing(
  section: FileSection<"tracing"> | undefined,
  resources: Resources,
): Promise<Config["tracing"]> {
  if (section === undefined) return null;
  const headers: Record<string, Secret> = {};
  for (const [name, reference] of Object.entries(section.headers)) {
    const value = await resources.secret(reference, ["tracing", "headers", name]);
    if (value !== undefined) headers[name] = value;
  }
  return { url: section.url, headers, ratio: section.ratio };
}

/** null: none configured. */
export async function resolveRedis(
  section: RedisSection | undefined,
  resources: Resources,
): Promise<RedisConfig | null | undefined> {
  if (section === undefined) return null;
  const password = section.password && (await resources.secret(section.password, ["redis", "password"]));
  const sentinelPassword =
    section.sentinelPassword && (await resources.secret(section.sentinelPassword, ["redis", "sentinelPassword"]));
  const ca = section.trust === undefined ? undefined : await resources.trust(section.trust, ["redis", "trust"]);
  const cert =
    section.certificate === undefined
      ? undefined
      : await resources.certificate(section.certificate, ["redis", "certificate"]);
  const key = section.key && (await resources.secret(section.key, ["redis", "key"]));
  const tls = { ...(ca !== undefined && { ca }), ...(cert !== undefined && { cert }), ...(key && { key }) };
  const access = {
    prefix: section.prefix,
    ...(section.username !== undefined && { username: section.username }),
    ...(password && { password }),
    ...((section.tls || Object.keys(tls).length > 0) && { tls }),
  };
  if (section.url !== undefined) return { ...access, kind: "single", url: section.url };
  if (section.path !== undefined) return { ...access, kind: "single", path: resources.absolute(section.path) };
  if (section.cluster) return { ...access, kind: "cluster", nodes: section.cluster };
  if (!section.sentinels || section.name === undefined) return undefined;
  const { sentinels, name, sentinelUsername } = section;
  const sentinelAccess = {
    ...(sentinelUsername !== undefined && { sentinelUsername }),
    ...(sentinelPassword && { sentinelPassword }),
  };
  return { ...access, kind: "sentinel", sentinels, name, ...sentinelAccess };
}

/** undefined: the section has a mistake, which is reported already. */
export function resolveHorizon(section: FileSection<"horizon"> | undefined): Config["horizon"] {
  const { declared = [], rdap, signatures = false } = section ?? {};
  return {
    declared: declared.map(({ name, ends, owner, runbook }) => ({
      ...{ name, endsAt: ends, owner: owner ?? null, runbook: runbook ?? null },
    })),
    rdap: rdap ?? null,
    signatures,
  };
}
