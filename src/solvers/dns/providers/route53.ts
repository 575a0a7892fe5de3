import type { ResourceRecordSet, Route53Client } from "@aws-sdk/client-route-53";
import { z } from "zod";
import { RenewalError } from "../../../domain/errors.ts";
import type { ErrorCode } from "../../../domain/errorTable.ts";
import { CLEAR_TEXT_REFUSED, isClearText } from "../../../domain/loopback.ts";
import { optionalPackage } from "../optionalPackage.ts";
import { secretOption } from "../options.ts";
import { type DnsProviderKind, type ProviderDependencies, plainTxt, type Rrset, type Zone } from "../provider.ts";
import { callSdk, type SdkFailure } from "../sdkCall.ts";
import { addressNames } from "../zone.ts";

const options = z.strictObject({
  accessKeyId: secretOption
    .optional()
    .describe("Access key. Default: the SDK's credential chain (environment, web identity, instance role …)."),
  secretAccessKey: secretOption.optional().describe("Its secret."),
  profile: z.string().min(1).max(128).optional().describe("Profile of the AWS configuration files."),
  region: z.string().min(1).max(40).default("us-east-1").describe("Region of the endpoint; Route 53 itself is global."),
  endpoint: z
    .url({ protocol: /^https?$/ })
    .refine((text) => !isClearText(text), CLEAR_TEXT_REFUSED)
    .optional()
    .describe("Another endpoint, such as that of another partition."),
});
type Route53Options = z.infer<typeof options>;

const PAGES_MAX = 100;
const CODES: Readonly<Record<string, ErrorCode>> = {
  AccessDenied: "dns.credentials",
  AccessDeniedException: "dns.credentials",
  CredentialsProviderError: "dns.credentials",
  ExpiredToken: "dns.credentials",
  InvalidClientTokenId: "dns.credentials",
  SignatureDoesNotMatch: "dns.credentials",
  Throttling: "dns.rateLimited",
  ThrottlingException: "dns.rateLimited",
  PriorRequestNotComplete: "dns.rateLimited",
};

interface Loaded {
  readonly sdk: typeof import("@aws-sdk/client-route-53");
  readonly client: Route53Client;
}

export const route53: DnsProviderKind<Route53Options> = {
  type: "route53",
  description: "Amazon Route 53, through AWS's own SDK.",
  docs: "https://docs.aws.amazon.com/Route53/latest/APIReference/API_ChangeResourceRecordSets.html",
  options,
  // Five requests a second for a whole AWS account; others share it.
  traits: { propagationMaxMs: 600_000, rateLimit: { requests: 4, perMs: 1_000 } },
  create(given, dependencies) {
    const call = <T>(
      action: string,
      send: (loaded: Loaded, settings: { readonly abortSignal: AbortSignal }) => Promise<T>,
      signal: AbortSignal,
    ): Promise<T> =>
      callSdk(
        dependencies,
        {
          what: `Route 53: ${action}`,
          translate,
          run: async (abortSignal) => send(await connect(given, dependencies), { abortSignal }),
        },
        signal,
      );
    const nameServers = async (id: string, signal: AbortSignal): Promise<Pick<Zone, "nameServers">> => {
      try {
        const zone = await call(
          "GetHostedZone",
          ({ sdk, client }, settings) => client.send(new sdk.GetHostedZoneCommand({ Id: id }), settings),
          signal,
        );
        return zone.DelegationSet?.NameServers === undefined ? {} : { nameServers: zone.DelegationSet.NameServers };
      } catch (error) {
        // A permission of its own, which publishing does not need.
        if (error instanceof RenewalError && error.code === "dns.credentials") return {};
        throw error;
      }
    };
    return {
      async zones(name, signal) {
        const found: Zone[] = [];
        let marker: string | undefined;
        for (let page = 0; page < PAGES_MAX; page++) {
          const answer = await call(
            "ListHostedZones",
            ({ sdk, client }, settings) =>
              client.send(new sdk.ListHostedZonesCommand(marker === undefined ? {} : { Marker: marker }), settings),
            signal,
          );
          for (const { Id = "", Name = "", Config } of answer.HostedZones ?? []) {
            const zone = { id: Id.replace("/hostedzone/", ""), name: plainName(Name) };
            const isPrivate = Config?.PrivateZone === true;
            // Only those that may be chosen are worth a request.
            const isCandidate = !isPrivate && (name === zone.name || name.endsWith(`.${zone.name}`));
            found.push({ ...zone, isPrivate, ...(isCandidate && (await nameServers(zone.id, signal))) });
          }
          marker = answer.IsTruncated === true ? answer.NextMarker : undefined;
          if (marker === undefined) return found;
        }
        throw new RenewalError("dns.refused", `Route 53 has more than ${PAGES_MAX} pages of zones; set \`zone\``);
      },
      async names(zone, signal) {
        const found: { name: string; type: string }[] = [];
        let at: { StartRecordName?: string; StartRecordType?: ResourceRecordSet["Type"] } = {};
        for (let page = 0; page < PAGES_MAX; page++) {
          const answer = await call(
            "ListResourceRecordSets",
            ({ sdk, client }, settings) =>
              client.send(new sdk.ListResourceRecordSetsCommand({ HostedZoneId: zone.id, ...at }), settings),
            signal,
          );
          for (const { Name = "", Type = "" } of answer.ResourceRecordSets ?? [])
            found.push({ name: plainName(Name), type: Type });
          if (answer.IsTruncated !== true || answer.NextRecordName === undefined) break;
          at = { StartRecordName: answer.NextRecordName, StartRecordType: answer.NextRecordType };
        }
        return addressNames(found);
      },
      txt: {
        model: "rrset",
        async read(zone, name, signal) {
          const query = {
            HostedZoneId: zone.id,
            StartRecordName: name,
            StartRecordType: "TXT" as const,
            MaxItems: 1,
          };
          const answer = await call(
            "ListResourceRecordSets",
            ({ sdk, client }, settings) => client.send(new sdk.ListResourceRecordSetsCommand(query), settings),
            signal,
          );
          // The list begins at the name, and goes on with whatever is next.
          const set = answer.ResourceRecordSets?.find(
            (one) => plainName(one.Name ?? "") === name && one.Type === "TXT",
          );
          return set === undefined ? { values: [], ttlS: null } : rrsetOf(set);
        },
        async replace(zone, { name, ttlS }, { before, values }, signal) {
          if (values.length === 0 && before.values.length === 0) return null;
          // A deletion must repeat the set as it is.
          const set = values.length === 0 ? setOf(name, before.ttlS ?? ttlS, before.values) : setOf(name, ttlS, values);
          const Action = values.length === 0 ? ("DELETE" as const) : ("UPSERT" as const);
          const request = { HostedZoneId: zone.id, ChangeBatch: { Changes: [{ Action, ResourceRecordSet: set }] } };
          const answer = await call(
            "ChangeResourceRecordSets",
            ({ sdk, client }, settings) => client.send(new sdk.ChangeResourceRecordSetsCommand(request), settings),
            signal,
          );
          return answer.ChangeInfo?.Id?.replace("/change/", "") ?? null;
        },
      },
      async status(_zone, change, signal) {
        const answer = await call(
          "GetChange",
          ({ sdk, client }, settings) => client.send(new sdk.GetChangeCommand({ Id: change }), settings),
          signal,
        );
        return answer.ChangeInfo?.Status === "INSYNC" ? "done" : "pending";
      },
    };
  },
};

async function connect(
  { accessKeyId, secretAccessKey, profile, region, endpoint }: Route53Options,
  { secret }: ProviderDependencies,
): Promise<Loaded> {
  const sdk = await optionalPackage("@aws-sdk/client-route-53", () => import("@aws-sdk/client-route-53"));
  const credentials =
    accessKeyId === undefined || secretAccessKey === undefined
      ? {}
      : {
          credentials: {
            accessKeyId: (await secret(accessKeyId)).reveal(),
            secretAccessKey: (await secret(secretAccessKey)).reveal(),
          },
        };
  const where = { ...(endpoint !== undefined && { endpoint }), ...(profile !== undefined && { profile }) };
  // One attempt: only renewal/ decides about retries.
  return { sdk, client: new sdk.Route53Client({ region, maxAttempts: 1, ...where, ...credentials }) };
}

function setOf(name: string, ttlS: number, values: readonly string[]): ResourceRecordSet {
  return {
    Name: `${name}.`,
    Type: "TXT",
    TTL: ttlS,
    ResourceRecords: values.map((value) => ({ Value: `"${value}"` })),
  };
}

function rrsetOf({ ResourceRecords = [], TTL }: ResourceRecordSet): Rrset {
  return { values: ResourceRecords.map(({ Value = "" }) => plainTxt(Value)), ttlS: TTL ?? null };
}

/** Octal escapes, and a final dot. */
function plainName(shown: string): string {
  const name = shown.replace(/\\(\d{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8)));
  return name.replace(/\.$/, "").toLowerCase();
}

const failure = z.object({
  name: z.string(),
  message: z.string().default(""),
  $metadata: z.object({ httpStatusCode: z.number().optional() }).optional(),
});

function translate(error: unknown): SdkFailure {
  const { data } = failure.safeParse(
    error instanceof Error ? { ...error, name: error.name, message: error.message } : {},
  );
  const status = data?.$metadata?.httpStatusCode;
  const code = CODES[data?.name ?? ""];
  if (data === undefined || (status === undefined && code === undefined))
    return { code: "dns.unreachable", text: data?.message ?? "no answer" };
  const byStatus = (status ?? 0) >= 500 ? "dns.unreachable" : "dns.refused";
  return { code: code ?? byStatus, text: data.message, name: data.name };
}
