import type { DNS, Record as DnsRecord, Zone as DnsZone } from "@google-cloud/dns";
import { z } from "zod";
import { RenewalError } from "../../../domain/errors.ts";
import type { Secret } from "../../../domain/secret.ts";
import { optionalPackage } from "../optionalPackage.ts";
import { secretOption } from "../options.ts";
import { type DnsProviderKind, type ProviderDependencies, plainTxt } from "../provider.ts";
import { callSdk, type SdkFailure } from "../sdkCall.ts";

const options = z.strictObject({
  project: z
    .string()
    .regex(/^[a-z][a-z0-9-]{4,28}[a-z0-9]$/, "give a project ID such as my-project-123")
    .describe("Google Cloud project."),
  credentials: secretOption
    .optional()
    .describe("Service account key (JSON) with the role DNS Administrator. Default: Google's own chain."),
  endpoint: z.string().min(1).max(255).optional().describe("Another host of the API, such as a private endpoint."),
});
type GoogleOptions = z.infer<typeof options>;

const serviceAccount = z.object({ client_email: z.string(), private_key: z.string() });
const zoneMetadata = z.object({
  name: z.string(),
  dnsName: z.string(),
  visibility: z.string().optional(),
  nameServers: z.array(z.string()).optional(),
});
const recordMetadata = z.object({ name: z.string(), ttl: z.number() });
const changeMetadata = z.object({ status: z.string() });

export const googleCloudDns: DnsProviderKind<GoogleOptions> = {
  type: "google-cloud-dns",
  description: "Google Cloud DNS, through Google's own client.",
  docs: "https://cloud.google.com/dns/docs/reference/rest/v1/changes",
  options,
  traits: { propagationMaxMs: 600_000 },
  create(given, dependencies) {
    const call = async <T>(what: string, run: (dns: DNS) => Promise<T>, signal: AbortSignal): Promise<T> => {
      const secrets: Secret[] = [];
      const connected = async (): Promise<T> => run(await connect(given, dependencies, secrets));
      const described = { what: `Google Cloud DNS: ${what}`, secrets, run: connected, translate };
      return callSdk(dependencies, described, signal);
    };
    const recordsAt = async (zone: DnsZone, name: string): Promise<DnsRecord[]> => {
      const [records] = await zone.getRecords({ name: `${name}.`, type: "TXT" });
      return records;
    };
    return {
      listsAllZones: true,
      zones: (_name, signal) =>
        call(
          "managedZones.list",
          async (dns) => {
            const [zones] = await dns.getZones();
            return zones.flatMap(({ metadata }) => {
              const { data } = zoneMetadata.safeParse(metadata);
              if (data === undefined) return [];
              const { name, dnsName, visibility, nameServers } = data;
              const isPrivate = visibility === "private";
              return [
                {
                  id: name,
                  name: dnsName.replace(/\.$/, ""),
                  isPrivate,
                  ...(nameServers !== undefined && { nameServers }),
                },
              ];
            });
          },
          signal,
        ),
      txt: {
        model: "rrset",
        read: (zone, name, signal) =>
          call(
            "resourceRecordSets.list",
            async (dns) => {
              const [record] = await recordsAt(dns.zone(zone.id), name);
              if (record === undefined) return { values: [], ttlS: null };
              const { ttl } = recordMetadata.parse(record.metadata);
              return { values: dataOf(record).map(plainTxt), ttlS: ttl };
            },
            signal,
          ),
        replace: (zone, { name, ttlS }, { values }, signal) =>
          call(
            "changes.create",
            async (dns) => {
              const managed = dns.zone(zone.id);
              const deleted = await recordsAt(managed, name);
              const data = values.map((value) => `"${value}"`);
              const added = data.length === 0 ? [] : [managed.record("txt", { name: `${name}.`, ttl: ttlS, data })];
              if (deleted.length + added.length === 0) return null;
              // What is deleted must be repeated as it is; else another change came first, and Google refuses this one.
              const [change] = await managed.createChange({
                ...(deleted.length > 0 && { delete: deleted }),
                ...(added.length > 0 && { add: added }),
              });
              return change.id ?? null;
            },
            signal,
          ),
      },
      status: (zone, change, signal) =>
        call(
          "changes.get",
          async (dns) => {
            const [metadata] = await dns.zone(zone.id).change(change).getMetadata();
            return changeMetadata.parse(metadata).status === "done" ? "done" : "pending";
          },
          signal,
        ),
    };
  },
};

function dataOf({ data, rrdatas }: DnsRecord): string[] {
  return rrdatas ?? data ?? [];
}

async function connect(
  { project, credentials, endpoint }: GoogleOptions,
  { secret }: ProviderDependencies,
  secrets: Secret[],
): Promise<DNS> {
  const sdk = await optionalPackage("@google-cloud/dns", () => import("@google-cloud/dns"));
  const common = {
    projectId: project,
    ...(endpoint !== undefined && { apiEndpoint: endpoint }),
  };
  if (credentials === undefined) return once(new sdk.DNS(common));
  const key = await secret(credentials);
  secrets.push(key);
  return once(new sdk.DNS({ ...common, credentials: accountOf(key, `${credentials.kind}:${credentials.at}`) }));
}

/** One attempt: only renewal/ decides about retries. The client's own option for that does not reach its requests. */
function once(dns: DNS): DNS {
  dns.interceptors.push({ request: (options: object) => Object.assign({ uri: "" }, options, { maxRetries: 0 }) });
  return dns;
}

function accountOf(key: Secret, where: string): z.infer<typeof serviceAccount> {
  try {
    return serviceAccount.parse(JSON.parse(key.reveal()));
  } catch {
    throw new RenewalError("dns.credentials", `${where} holds no service account key (JSON)`);
  }
}

const failure = z.object({ code: z.union([z.number(), z.string()]), message: z.string().default("") });

function translate(error: unknown): SdkFailure {
  const found = error instanceof Error && "code" in error ? { code: error.code, message: error.message } : {};
  const { data } = failure.safeParse(found);
  const status = Number(data?.code ?? Number.NaN);
  const text = data?.message ?? (error instanceof Error ? error.message : "no answer");
  if (status === 401 || status === 403) return { code: "dns.credentials", text };
  // Another change of the same set came in between: it is read again.
  if (status === 409 || status === 412) return { code: "dns.busy", text };
  if (status === 429) return { code: "dns.rateLimited", text };
  // The token service answers a wrong key with 400 invalid_grant.
  if (/invalid_grant|Could not load the default credentials/.test(text)) return { code: "dns.credentials", text };
  return { code: status >= 400 && status < 500 ? "dns.refused" : "dns.unreachable", text };
}
