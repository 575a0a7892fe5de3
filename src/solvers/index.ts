import { z } from "zod";
import type { Solver } from "../domain/issuer.ts";
import { definePlugin, type RegisteredPlugin } from "../domain/plugin.ts";
import { acmeSh } from "./dns/bridges/acmeSh.ts";
import { certbotHooks } from "./dns/bridges/certbotHooks.ts";
import { exec } from "./dns/bridges/exec.ts";
import { httpreq } from "./dns/bridges/httpreq.ts";
import type { DnsProviderKind, ProviderTraits } from "./dns/provider.ts";
import { acmeDns } from "./dns/providers/acmeDns.ts";
import { akamai } from "./dns/providers/akamai.ts";
import { azureDns } from "./dns/providers/azureDns.ts";
import { cloudflare } from "./dns/providers/cloudflare.ts";
import { desec } from "./dns/providers/desec.ts";
import { digitalocean } from "./dns/providers/digitalocean.ts";
import { dnsimple } from "./dns/providers/dnsimple.ts";
import { duckdns } from "./dns/providers/duckdns.ts";
import { gandi } from "./dns/providers/gandi.ts";
import { godaddy } from "./dns/providers/godaddy.ts";
import { googleCloudDns } from "./dns/providers/googleCloudDns.ts";
import { hetzner } from "./dns/providers/hetzner.ts";
import { infomaniak } from "./dns/providers/infomaniak.ts";
import { inwx } from "./dns/providers/inwx.ts";
import { ionos } from "./dns/providers/ionos.ts";
import { linode } from "./dns/providers/linode.ts";
import { namecheap } from "./dns/providers/namecheap.ts";
import { netcup } from "./dns/providers/netcup.ts";
import { netlify } from "./dns/providers/netlify.ts";
import { ns1 } from "./dns/providers/ns1.ts";
import { ovh } from "./dns/providers/ovh.ts";
import { porkbun } from "./dns/providers/porkbun.ts";
import { powerdns } from "./dns/providers/powerdns.ts";
import { rfc2136 } from "./dns/providers/rfc2136.ts";
import { route53 } from "./dns/providers/route53.ts";
import { scaleway } from "./dns/providers/scaleway.ts";
import { vultr } from "./dns/providers/vultr.ts";
import { dnsServer } from "./dns/server/kind.ts";
import { dnsSolver } from "./dns/solver.ts";
import { dnsPersist01 } from "./dnsPersist01.ts";
import { http01, type SolverDependencies } from "./http01.ts";
import { tlsAlpn01 } from "./tlsAlpn01.ts";
import { webroot } from "./webroot.ts";

export type { SolverDependencies } from "./http01.ts";

/** A kind of DNS solver, with what generated docs say of it. */
export interface DnsKind {
  readonly plugin: RegisteredPlugin<SolverDependencies, Solver>;
  readonly docs: string;
  /** Null: they depend on the options. */
  readonly traits: ProviderTraits | null;
  /** Names of its own options that must be given. */
  readonly required: readonly string[];
}

function dns<Options extends object>(kind: DnsProviderKind<Options>): DnsKind {
  const { docs, traits, options } = kind;
  const required = Object.entries(options.shape).filter(([, schema]) => !z.safeParse(schema, undefined).success);
  return {
    plugin: definePlugin(dnsSolver(kind)),
    docs,
    traits: typeof traits === "function" ? null : traits,
    required: required.map(([name]) => name),
  };
}

/** Every kind of DNS solver: one line each. */
export const DNS_KINDS: readonly DnsKind[] = [
  dns(dnsServer),
  dns(rfc2136),
  dns(acmeDns),
  dns(akamai),
  dns(azureDns),
  dns(cloudflare),
  dns(desec),
  dns(digitalocean),
  dns(dnsimple),
  dns(duckdns),
  dns(gandi),
  dns(godaddy),
  dns(googleCloudDns),
  dns(hetzner),
  dns(infomaniak),
  dns(inwx),
  dns(ionos),
  dns(linode),
  dns(namecheap),
  dns(netcup),
  dns(netlify),
  dns(ns1),
  dns(ovh),
  dns(porkbun),
  dns(powerdns),
  dns(route53),
  dns(scaleway),
  dns(vultr),
  dns(exec),
  dns(httpreq),
  dns(certbotHooks),
  dns(acmeSh),
];

/** Every solver kind. */
export const SOLVERS: readonly RegisteredPlugin<SolverDependencies, Solver>[] = [
  definePlugin(http01),
  definePlugin(tlsAlpn01),
  definePlugin(webroot),
  definePlugin(dnsPersist01),
  ...DNS_KINDS.map(({ plugin }) => plugin),
];
