import type { DnsManagementClient } from "@azure/arm-dns";
import type { TokenCredential } from "@azure/identity";
import { z } from "zod";
import type { ErrorCode } from "../../../domain/errorTable.ts";
import type { Secret } from "../../../domain/secret.ts";
import { retryAfterInstant } from "../../../domain/time.ts";
import { optionalPackage } from "../optionalPackage.ts";
import { secretOption } from "../options.ts";
import { type DnsProviderKind, type ProviderDependencies, relativeName, type Zone } from "../provider.ts";
import { callSdk, type SdkFailure } from "../sdkCall.ts";

const uuid = z.string().regex(/^[0-9a-f-]{36}$/i, "give a UUID");
const options = z.strictObject({
  subscription: uuid.describe("ID of the subscription that has the zones."),
  tenantId: uuid.optional().describe("Directory of the application. Default: Azure's own credential chain."),
  clientId: uuid.optional().describe("The application, with the role DNS Zone Contributor."),
  clientSecret: secretOption.optional().describe("Its client secret."),
  endpoint: z
    .url({ protocol: /^https$/ })
    .optional()
    .describe("Resource manager of another cloud."),
  authority: z
    .url({ protocol: /^https$/ })
    .optional()
    .describe("Login of another cloud."),
});
type AzureOptions = z.infer<typeof options>;

const RETRY_AFTER_MAX_MS = 3_600_000;

export const azureDns: DnsProviderKind<AzureOptions> = {
  type: "azure-dns",
  description: "Azure DNS (public zones), through Azure's own SDK.",
  docs: "https://learn.microsoft.com/rest/api/dns/record-sets",
  options,
  traits: { propagationMaxMs: 600_000 },
  create(given, dependencies) {
    const call = <T>(
      what: string,
      run: (client: DnsManagementClient, abortSignal: AbortSignal) => Promise<T>,
      signal: AbortSignal,
    ): Promise<T> => {
      const secrets: Secret[] = [];
      const connected = async (abortSignal: AbortSignal): Promise<T> =>
        run(await connect(given, dependencies, secrets), abortSignal);
      const translated = (error: unknown): SdkFailure => translate(error, dependencies.now());
      return callSdk(
        dependencies,
        { what: `Azure DNS: ${what}`, secrets, run: connected, translate: translated },
        signal,
      );
    };
    return {
      listsAllZones: true,
      zones: (_name, signal) =>
        call(
          "list zones",
          async (client, abortSignal) => {
            const found: Zone[] = [];
            for await (const { id = "", name = "", zoneType, nameServers } of client.zones.list({ abortSignal }))
              found.push({ id, name, isPrivate: zoneType === "Private", ...(nameServers && { nameServers }) });
            return found;
          },
          signal,
        ),
      txt: {
        model: "rrset",
        read: (zone, name, signal) =>
          call(
            "get a record set",
            async (client, abortSignal) => {
              const asked = client.recordSets.get(...placeOf(zone, name), "TXT", { abortSignal });
              const set = await asked.catch((error: unknown) => {
                if (statusOf(error) === 404) return null;
                throw error;
              });
              if (set === null) return { values: [], ttlS: null };
              const values = (set.txtRecords ?? []).map(({ value }) => (value ?? []).join(""));
              return { values, ttlS: set.ttl ?? null, version: set.etag ?? null };
            },
            signal,
          ),
        replace: (zone, { name, ttlS }, { before, values }, signal) =>
          call(
            "change a record set",
            async (client, abortSignal) => {
              const place = placeOf(zone, name);
              // Refused with 412 when somebody else changed it since it was read.
              const unchanged = before.version ? { ifMatch: before.version } : {};
              if (values.length === 0) {
                await client.recordSets.delete(...place, "TXT", { abortSignal, ...unchanged });
                return null;
              }
              const isNew = before.values.length === 0 && !before.version;
              const condition = isNew ? { ifNoneMatch: "*" } : unchanged;
              const set = { ttl: ttlS, txtRecords: values.map((value) => ({ value: [value] })) };
              await client.recordSets.createOrUpdate(...place, "TXT", set, { abortSignal, ...condition });
              return null;
            },
            signal,
          ),
      },
    };
  },
};

/** The zone's id is its path: /subscriptions/S/resourceGroups/G/providers/Microsoft.Network/dnszones/Z. */
function placeOf(zone: Zone, name: string): [string, string, string] {
  const group = /\/resourceGroups\/([^/]+)\//i.exec(zone.id)?.[1] ?? "";
  return [group, zone.name, relativeName(name, zone)];
}

async function connect(
  { subscription, tenantId, clientId, clientSecret, endpoint, authority }: AzureOptions,
  { secret }: ProviderDependencies,
  secrets: Secret[],
): Promise<DnsManagementClient> {
  const identity = await optionalPackage("@azure/identity", () => import("@azure/identity"));
  const { DnsManagementClient } = await optionalPackage("@azure/arm-dns", () => import("@azure/arm-dns"));
  // One attempt: only renewal/ decides about retries.
  const retryOptions = { maxRetries: 0 };
  const common = { retryOptions, ...(authority !== undefined && { authorityHost: authority }) };
  let credential: TokenCredential;
  if (tenantId !== undefined && clientId !== undefined && clientSecret !== undefined) {
    const key = await secret(clientSecret);
    secrets.push(key);
    credential = new identity.ClientSecretCredential(tenantId, clientId, key.reveal(), common);
  } else credential = new identity.DefaultAzureCredential(common);
  return new DnsManagementClient(credential, subscription, {
    retryOptions,
    ...(endpoint !== undefined && { endpoint }),
  });
}

const failure = z.object({
  statusCode: z.number().optional(),
  code: z.string().optional(),
  message: z.string().default(""),
});

function statusOf(error: unknown): number | null {
  return error instanceof Error && "statusCode" in error ? Number(error.statusCode) : null;
}

function translate(error: unknown, now: number): SdkFailure {
  const { data } = failure.safeParse(error instanceof Error ? { ...error, message: error.message } : {});
  const status = data?.statusCode ?? Number.NaN;
  // An SDK's message may go on with the whole answer: its first line says it.
  const text = `${(data?.message ?? "no answer").split("\n", 1)[0]}${data?.code ? ` (${data.code})` : ""}`;
  // The login's own errors have other names and no status (AADSTS: Microsoft Entra's codes).
  const isLogin =
    error instanceof Error && (/AuthenticationError|CredentialUnavailable/.test(error.name) || /AADSTS\d/.test(text));
  if (isLogin || status === 401 || status === 403) return { code: "dns.credentials", text };
  if (status === 429) {
    const retryAt = retryAfterInstant(retryAfterOf(error), { now, maxMs: RETRY_AFTER_MAX_MS });
    return { code: "dns.rateLimited", text, ...(retryAt !== null && { retryAt }) };
  }
  const code: ErrorCode = status >= 400 && status < 500 ? "dns.refused" : "dns.unreachable";
  return { code: status === 412 ? "dns.busy" : code, text };
}

function retryAfterOf(error: unknown): string | undefined {
  const { response } = Object(error);
  const header: unknown = Object(response).headers?.get?.("retry-after");
  return typeof header === "string" ? header : undefined;
}
