// Every provider with an HTTP API, behind the engine and in front of its contract fake.
import { Secret } from "../../../../src/domain/secret.ts";
import type { DnsSolverUnderTest } from "../../../conformance/dnsProvider.ts";
import { type MemoryDns, solverDependencies } from "../../../support/dns/dependencies.ts";
import type { ApiFake } from "../../../support/fakes/api.ts";
import {
  AZURE,
  type CloudFake,
  GOOGLE_KEY,
  startAzureDns,
  startGoogleDns,
} from "../../../support/fakes/dns/cloudApis.ts";
import { RECORD_DIALECTS } from "../../../support/fakes/dns/recordApis.ts";
import { ACCESS_KEY, route53Dialect } from "../../../support/fakes/dns/route53.ts";
import { RPC_DIALECTS } from "../../../support/fakes/dns/rpcApis.ts";
import { RRSET_DIALECTS } from "../../../support/fakes/dns/rrsetApis.ts";
import { acmeDns, SIGNED_DIALECTS } from "../../../support/fakes/dns/signedApis.ts";
import { add, type Dialect, startDnsFake, TOKEN, values, type World, ZONE } from "../../../support/fakes/dns/world.ts";
import { namecheap } from "../../../support/fakes/dns/zoneApis.ts";
import { SOLVERS } from "../../../support/plugins.ts";
import { writtenFor } from "./underTest.ts";

const DIALECTS: Readonly<Record<string, Dialect>> = {
  ...{ ...RECORD_DIALECTS, ...RRSET_DIALECTS, ...SIGNED_DIALECTS, ...RPC_DIALECTS, namecheap },
  ...{ route53: route53Dialect({ inSync: true }), "acme-dns": acmeDns },
};
const CLOUDS: Readonly<Record<string, () => Promise<CloudFake>>> = {
  "google-cloud-dns": startGoogleDns,
  "azure-dns": () => startAzureDns(TOKEN),
};
/** Those that hold one value, or take one challenge, at a time. */
const ONE_BY_ONE = ["duckdns", "netcup"];
/** One value is shown at every name below it, and never listed. */
const DUCK_ZONE = "me.duckdns.org";

/** acme-dns cannot remove a value: conformance.full.test.ts has what holds for it. */
export const PROVIDERS = [...Object.keys(DIALECTS), ...Object.keys(CLOUDS)].filter((type) => type !== "acme-dns");

export interface ProviderSubject extends DnsSolverUnderTest {
  readonly world: World;
}

export async function startProvider(
  type: string,
  more: Readonly<Record<string, unknown>> = {},
): Promise<ProviderSubject> {
  const cloud = CLOUDS[type];
  const dialect = DIALECTS[type];
  if (cloud === undefined && dialect === undefined) throw new Error(`no fake of ${type}`);
  const fake = cloud === undefined ? await startDnsFake(dialect as Dialect) : await cloud();
  const plugin = SOLVERS.find((one) => one.type === type);
  if (plugin === undefined) throw new Error(`no solver ${type}`);
  const { written, secrets } = configured(type, fake);
  const options = plugin.options.parse({ ...written, follow: "never", propagation: { check: "none" }, ...more });
  const secret = async ({ at }: { readonly at: string }) => new Secret(secrets[at] ?? "no such secret");
  const isDuck = type === "duckdns";
  const zone = isDuck ? DUCK_ZONE : ZONE;
  if (isDuck) fake.world.zones.push({ id: "900", name: zone, records: [] });
  return {
    ...(ONE_BY_ONE.includes(type) && { valuesPerName: 1 }),
    zone,
    world: fake.world,
    solver: ({ dns }) => plugin.create(options, solverDependencies({ dns: withoutRate(dns), secret })),
    values: async (name) => values(fake.world, isDuck ? `_acme-challenge.${DUCK_ZONE}` : name),
    occupy: isDuck
      ? null
      : async (name, value) => {
          const at = fake.world.zones.find((one) => one.name === zone);
          if (at !== undefined) add(fake.world, at, { name, type: "TXT", value, ttl: 3600 });
        },
    loseAnswer: lossOf(type, fake),
    fallSilent: () => fake.fallSilent(/./),
    refuse() {
      const credentials = Object.values(secrets).filter((one) => one.length > 8);
      const body = { message: `you sent ${credentials.join(" and ")}`, error: credentials.join(" ") };
      fake.disturbAlways(/./, { status: 400, body });
      return { credentials, mend: fake.calm };
    },
    [Symbol.asyncDispose]: () => fake.stop(),
  };
}

/** How fast a provider may be asked is the engine's, and tested there: a minute of waiting proves nothing more. */
function withoutRate(dns: Pick<MemoryDns, "records" | "locks" | "rates">) {
  const rates = { turn: async (_key: string, _rate: unknown, { now }: { readonly now: number }) => now };
  return { ...dns, rates: { ...rates, silence: async () => undefined } };
}

/** Requests that change something, where not every POST does. */
const CHANGES: Readonly<Record<string, RegExp>> = { porkbun: /^POST .*create/, duckdns: /^GET / };
/** Vendors' SDKs repeat a request by themselves; of these APIs, each request goes to one address. */
const NEVER_LOST = ["inwx", "netcup", "namecheap", "route53", ...Object.keys(CLOUDS)];

/** The fake acts, and cuts the connection. */
function lossOf(type: string, fake: ApiFake): (() => void) | null {
  if (NEVER_LOST.includes(type)) return null;
  return () => fake.disturb(CHANGES[type] ?? /^(POST|PUT|PATCH) /, "reset");
}

interface Configured {
  readonly written: Readonly<Record<string, unknown>>;
  readonly secrets: Readonly<Record<string, string>>;
}

function configured(type: string, { origin }: ApiFake): Configured {
  const known: Readonly<Record<string, Configured>> = {
    route53: {
      written: { accessKeyId: "env:K", secretAccessKey: "env:S", endpoint: origin },
      secrets: { K: ACCESS_KEY, S: `secret-of-${TOKEN}` },
    },
    "google-cloud-dns": { written: { project: "my-project-123", credentials: "env:K" }, secrets: { K: GOOGLE_KEY } },
    "azure-dns": { written: { ...AZURE, clientSecret: "env:S" }, secrets: { S: TOKEN } },
    "acme-dns": {
      written: {
        ...{ endpoint: origin, user: "env:U", password: "env:T", subdomain: "sub", fullDomain: "sub.one.example" },
      },
      secrets: { U: "u", T: TOKEN },
    },
  };
  return known[type] ?? writtenFor(type, origin);
}
