import { z } from "zod";
import type { Solver } from "../domain/issuer.ts";
import { definePlugin, type Kind, kindOf, type Plugin, type RegisteredPlugin } from "../domain/plugin.ts";
import type { DnsProviderKind, ProviderTraits } from "./dns/provider.ts";
import type { SolverDependencies } from "./http01.ts";

export type { SolverDependencies } from "./http01.ts";

export type SolverPlugin = RegisteredPlugin<SolverDependencies, Solver>;

/** What generated docs say of a kind of DNS solver. */
export interface DnsKindDocs {
  readonly plugin: SolverPlugin;
  readonly docs: string;
  /** Null: they depend on the options. */
  readonly traits: ProviderTraits | null;
  /** Names of its own options that must be given. */
  readonly required: readonly string[];
}

interface DnsKind extends Kind<SolverPlugin> {
  readonly describe: () => Promise<DnsKindDocs>;
}

function kind<Options>(
  type: string,
  load: () => Promise<Plugin<Options, SolverDependencies, Solver>>,
): Kind<SolverPlugin> {
  return kindOf(type, async () => definePlugin(await load()));
}

function dns<Options extends object>(type: string, load: () => Promise<DnsProviderKind<Options>>): DnsKind {
  const found = kind(type, async () => (await import("./dns/solver.ts")).dnsSolver(await load()));
  return {
    ...found,
    async describe() {
      const { docs, traits, options } = await load();
      const required = Object.entries(options.shape).filter(([, schema]) => !z.safeParse(schema, undefined).success);
      return {
        plugin: await found.load(),
        docs,
        traits: typeof traits === "function" ? null : traits,
        required: required.map(([name]) => name),
      };
    },
  };
}

/** Every kind of DNS solver: one line each. */
export const DNS_KINDS: readonly DnsKind[] = [
  dns("dns-server", async () => (await import("./dns/server/kind.ts")).dnsServer),
  dns("rfc2136", async () => (await import("./dns/providers/rfc2136.ts")).rfc2136),
  dns("acme-dns", async () => (await import("./dns/providers/acmeDns.ts")).acmeDns),
  dns("akamai", async () => (await import("./dns/providers/akamai.ts")).akamai),
  dns("azure-dns", async () => (await import("./dns/providers/azureDns.ts")).azureDns),
  dns("cloudflare", async () => (await import("./dns/providers/cloudflare.ts")).cloudflare),
  dns("desec", async () => (await import("./dns/providers/desec.ts")).desec),
  dns("digitalocean", async () => (await import("./dns/providers/digitalocean.ts")).digitalocean),
  dns("dnsimple", async () => (await import("./dns/providers/dnsimple.ts")).dnsimple),
  dns("duckdns", async () => (await import("./dns/providers/duckdns.ts")).duckdns),
  dns("gandi", async () => (await import("./dns/providers/gandi.ts")).gandi),
  dns("godaddy", async () => (await import("./dns/providers/godaddy.ts")).godaddy),
  dns("google-cloud-dns", async () => (await import("./dns/providers/googleCloudDns.ts")).googleCloudDns),
  dns("hetzner", async () => (await import("./dns/providers/hetzner.ts")).hetzner),
  dns("infomaniak", async () => (await import("./dns/providers/infomaniak.ts")).infomaniak),
  dns("inwx", async () => (await import("./dns/providers/inwx.ts")).inwx),
  dns("ionos", async () => (await import("./dns/providers/ionos.ts")).ionos),
  dns("linode", async () => (await import("./dns/providers/linode.ts")).linode),
  dns("namecheap", async () => (await import("./dns/providers/namecheap.ts")).namecheap),
  dns("netcup", async () => (await import("./dns/providers/netcup.ts")).netcup),
  dns("netlify", async () => (await import("./dns/providers/netlify.ts")).netlify),
  dns("ns1", async () => (await import("./dns/providers/ns1.ts")).ns1),
  dns("ovh", async () => (await import("./dns/providers/ovh.ts")).ovh),
  dns("porkbun", async () => (await import("./dns/providers/porkbun.ts")).porkbun),
  dns("powerdns", async () => (await import("./dns/providers/powerdns.ts")).powerdns),
  dns("route53", async () => (await import("./dns/providers/route53.ts")).route53),
  dns("scaleway", async () => (await import("./dns/providers/scaleway.ts")).scaleway),
  dns("vultr", async () => (await import("./dns/providers/vultr.ts")).vultr),
  dns("exec", async () => (await import("./dns/bridges/exec.ts")).exec),
  dns("httpreq", async () => (await import("./dns/bridges/httpreq.ts")).httpreq),
  dns("certbot-hooks", async () => (await import("./dns/bridges/certbotHooks.ts")).certbotHooks),
  dns("acme.sh", async () => (await import("./dns/bridges/acmeSh.ts")).acmeSh),
];

/** Every solver kind. */
export const SOLVERS: readonly Kind<SolverPlugin>[] = [
  kind("http-01", async () => (await import("./http01.ts")).http01),
  kind("tls-alpn-01", async () => (await import("./tlsAlpn01.ts")).tlsAlpn01),
  kind("webroot", async () => (await import("./webroot.ts")).webroot),
  kind("dns-persist-01", async () => (await import("./dnsPersist01.ts")).dnsPersist01),
  ...DNS_KINDS,
];
