import { createHash } from "node:crypto";
import { isIP } from "node:net";
import { z } from "zod";
import type { DnsRecordStore } from "../../../domain/dnsRecord.ts";
import { DNS_NAME, type ResolverOption } from "../options.ts";
import type { DnsProviderKind, ProviderTraits } from "../provider.ts";
import type { LookUp } from "./answer.ts";
import type { ServedZone } from "./zone.ts";

const DOMAINS_MAX = 50;
const VALUES_MAX = 100;

const dnsName = z
  .string()
  .transform((text) => text.toLowerCase().replace(/\.$/, ""))
  .refine((text) => DNS_NAME.test(text), "must be a DNS name");
const address = z.string().refine((text) => isIP(text) !== 0, "must be an IP address");

const options = z.strictObject({
  domains: z
    .array(dnsName)
    .min(1)
    .max(DOMAINS_MAX)
    .describe(
      "Zones that NS records delegate to renewd, such as `acme.example.org`. `renewd challenges delegate NAME` shows " +
        "the records to create.",
    ),
  nameServers: z
    .record(dnsName, z.array(address).max(10))
    .refine((servers) => Object.keys(servers).length > 0, "give at least one name server")
    .describe(
      "Names in those NS records, with the addresses of the machines where `renewd` runs with its acme role. An empty " +
        "list for a name outside the zones, whose addresses are published elsewhere.",
    ),
  caa: z
    .array(
      z.strictObject({
        tag: z.enum(["issue", "issuewild", "iodef"]).describe("As in RFC 8659."),
        value: z.string().min(1).max(255).describe("Such as `letsencrypt.org`."),
      }),
    )
    .max(20)
    .default([])
    .describe("CAA records of the zones themselves. Those of your certificates' names are not affected."),
});

type ServerOptions = z.infer<typeof options>;

/** Its records are rows of the store, which the engine writes anyway: there is nothing left to do here. */
export const dnsServer: DnsProviderKind<ServerOptions> = {
  type: "dns-server",
  description: "renewd's own name server for a delegated zone: no DNS credentials at all.",
  docs: "https://datatracker.ietf.org/doc/html/rfc8555#section-8.4",
  options,
  // Every process answers from the store.
  traits: { propagationMaxMs: 300_000, oneSource: true } satisfies ProviderTraits,
  create: ({ domains, nameServers }) => ({
    listsAllZones: true,
    async zones(_name, signal) {
      signal.throwIfAborted();
      return domains.map((name) => ({ id: name, name, nameServers: Object.keys(nameServers) }));
    },
    txt: {
      model: "record",
      async create(_zone, _place, _value, signal) {
        signal.throwIfAborted();
        return null;
      },
      async remove(_zone, _place, _record, signal) {
        signal.throwIfAborted();
      },
    },
  }),
};

const parsed = z.object(options.shape);

/** `given`: the options of a configured solver of this type. */
export function servedZones(given: unknown): ServedZone[] {
  const { domains, nameServers, caa } = parsed.parse(given);
  const servers = Object.entries(nameServers).map(([name, addresses]) => ({ name, addresses }));
  return domains.map((name) => ({ name, nameServers: servers, caa }));
}

const parsedResolvers = z.object({ resolvers: z.array(z.custom<ResolverOption>()).default([]) });

/** Of a configured solver; empty: the system's. */
export function resolversOf(given: unknown): readonly ResolverOption[] {
  return parsedResolvers.parse(given).resolvers;
}

/** Answers from what any process published: a value is served from the moment its row exists until it is removed. */
export function storedValues(records: Pick<DnsRecordStore, "at">, now: () => number): LookUp {
  return async (name, zone) => {
    const rows = await records.at({ zoneId: zone.name, zoneName: zone.name }, name);
    const current = rows.filter(({ state, expiresAt }) => state !== "removing" && expiresAt > now());
    return [...new Set(current.map(({ value }) => value))].slice(0, VALUES_MAX);
  };
}

const BASE32 = "abcdefghijklmnopqrstuvwxyz234567";
const LABEL_CHARACTERS = 26;

/**
 * Where the values of one name go in a delegated zone: the same whenever it is asked for, without a table of names, and
 * short for names of any length.
 */
export function delegatedName(identifier: string, domain: string): string {
  const digest = createHash("sha256").update(identifier.toLowerCase()).digest();
  const bits = Array.from(digest, (byte) => byte.toString(2).padStart(8, "0")).join("");
  const label = Array.from({ length: LABEL_CHARACTERS }, (_, index) => {
    const five = Number.parseInt(bits.slice(index * 5, index * 5 + 5), 2);
    return BASE32[five] ?? "";
  });
  return `${label.join("")}.${domain}`;
}
