import { z } from "zod";
import { NETWORK_ADDRESSES_MAX, type Network, parseNetwork, sizeOf } from "../../domain/addressRange.ts";
import { HTTPS_PORT, STARTTLS_PROTOCOLS } from "../../domain/endpoint.ts";
import { isClearText } from "../../domain/loopback.ts";
import { duration } from "./duration.ts";
import { checkHost, checkHostAndPort, type HostAndPort } from "./endpoints.ts";
import { type Checked, checkDnsName } from "./identifiers.ts";
import { secretReference } from "./secretReference.ts";

const port = z.int().min(1).max(65_535);
const ports = z.array(port).min(1).max(50).default([HTTPS_PORT]);

/** Throws nothing: what is wrong is the problem. */
export function checkNetwork(text: string): Checked<Network> {
  const network = parseNetwork(text);
  return network === null ? { problem: "must be an address or a network such as 10.0.0.0/8" } : { value: network };
}

/** As `checkNetwork`, for one that is dialled. */
export function checkDialledNetwork(text: string): Checked<Network> {
  const checked = checkNetwork(text);
  if ("problem" in checked || sizeOf(checked.value) <= NETWORK_ADDRESSES_MAX) return checked;
  return { problem: `has more than ${NETWORK_ADDRESSES_MAX} addresses: name the parts that are yours` };
}

const taken = <T>(check: (text: string) => Checked<T>) =>
  z.string().transform((text, context): T => {
    const checked = check(text);
    if (!("problem" in checked)) return checked.value;
    context.addIssue({ code: "custom", message: checked.problem });
    return z.NEVER;
  });

const host = z.union([
  taken((text): Checked<HostAndPort> => checkHostAndPort(text, HTTPS_PORT)),
  z.strictObject({
    host: taken(checkHost).describe("Name or address to dial; every address of a name is dialled."),
    port: port.default(HTTPS_PORT),
    sni: taken(checkDnsName).optional().describe("Server name to ask for. Default: the host."),
    starttls: z.enum(STARTTLS_PROTOCOLS).optional().describe("For a port that begins in plain text."),
  }),
]);

const search = (what: string) =>
  z
    .string()
    .max(2_000)
    .refine((text) => URL.canParse(text.replace(/\{\w+\}/g, "x")) && /^https?:/.test(text), "must be an https:// URL")
    .refine((text) => !isClearText(text.replace(/\{\w+\}/g, "x")), "must be an https:// URL")
    .refine((text) => text.includes(what), `must contain ${what}`);

export const discoverySchema = z.strictObject({
  every: duration({ min: "1m", max: "90d" })
    .optional()
    .describe("How often the planner discovers by itself, by everything configured here. Default: never."),
  expiring: duration({ min: "1h", max: "365d" })
    .prefault("30d")
    .describe(
      "A certificate that nobody manages and that ends within this time raises an alert; earlier where it lives so " +
        "short that this is more than a third of its life.",
    ),
  allow: z
    .array(taken(checkNetwork))
    .max(200)
    .default([])
    .describe("Private, link-local or loopback networks that may be dialled, such as `10.0.0.0/8`. Default: none."),
  hosts: z.array(host).max(10_000).default([]).describe("Places to dial, such as `www.example.org:8443`."),
  networks: z
    .array(z.strictObject({ network: taken(checkDialledNetwork).describe("Such as `192.0.2.0/24`."), ports }))
    .max(200)
    .default([])
    .describe("Networks whose every address is dialled at these ports. Dial only what is yours."),
  rate: z.int().min(1).max(1_000).default(50).describe("Connections begun per second, over all networks and hosts."),
  connections: z.int().min(1).max(500).default(32).describe("Connections open at once."),
  timeout: duration({ min: "100ms", max: "1m" }).prefault("5s").describe("Of one handshake."),
  files: z
    .array(z.string().min(1).max(4_096))
    .max(200)
    .default([])
    .describe("Files and directories on the planner's machine: PEM, DER, PKCS#12, Java key stores."),
  passwords: z
    .array(secretReference)
    .max(20)
    .default([])
    .describe(
      "Of PKCS#12 files, each env:NAME or file:/path. Files without a password, and Java's older ones, need none.",
    ),
  zones: z
    .strictObject({
      solvers: z
        .array(z.string().min(1).max(64))
        .max(50)
        .default([])
        .describe(
          "dns-01 solvers whose credentials list their zones' names: rfc2136 (by AXFR), Cloudflare, Route 53, PowerDNS, Hetzner.",
        ),
      transfers: z
        .array(
          z.strictObject({
            zone: taken(checkDnsName).describe("Such as `example.org`."),
            server: taken((text) => checkHostAndPort(text, 53)).describe("A server that allows transfers (AXFR)."),
          }),
        )
        .max(200)
        .default([])
        .describe("Zones that a server hands out to this machine without a key."),
      ports,
    })
    .prefault({})
    .describe("DNS zones whose names are dialled."),
  ct: z
    .strictObject({
      domains: z
        .array(taken(checkDnsName))
        .max(50)
        .default([])
        .describe("Domains to search for, with all names below."),
      search: search("{domain}")
        .default("https://crt.sh/?q={domain}&output=json")
        .describe("A search that answers as crt.sh does. It learns the domains."),
      certificate: search("{id}")
        .default("https://crt.sh/?d={id}")
        .describe("Where it gives out one certificate in PEM."),
      max: z.int().min(1).max(10_000).default(1_000).describe("Certificates read of one answer, each serial once."),
    })
    .prefault({})
    .describe("Certificate Transparency. What it finds is shown; what a person picks enters the inventory."),
  lemur: z
    .strictObject({
      url: z
        .url({ protocol: /^https?$/ })
        .refine((text) => !isClearText(text), "must be an https:// URL")
        .describe("Of Lemur, such as `https://lemur.example.org`. Nothing is written there."),
      token: secretReference.describe("An API key: env:NAME or file:/path."),
    })
    .optional()
    .describe("Certificates that Netflix Lemur knows."),
});

export type DiscoverySection = z.output<typeof discoverySchema>;
