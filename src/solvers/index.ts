import type { Solver } from "../domain/issuer.ts";
import { definePlugin, type RegisteredPlugin } from "../domain/plugin.ts";
import { acmeSh } from "./dns/bridges/acmeSh.ts";
import { certbotHooks } from "./dns/bridges/certbotHooks.ts";
import { exec } from "./dns/bridges/exec.ts";
import { httpreq } from "./dns/bridges/httpreq.ts";
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
import { http01, type SolverDependencies } from "./http01.ts";
import { webroot } from "./webroot.ts";

export type { SolverDependencies } from "./http01.ts";

/** Every solver kind: one line each. */
export const SOLVERS: readonly RegisteredPlugin<SolverDependencies, Solver>[] = [
  definePlugin(http01),
  definePlugin(webroot),
  definePlugin(dnsSolver(dnsServer)),
  definePlugin(dnsSolver(rfc2136)),
  definePlugin(dnsSolver(acmeDns)),
  definePlugin(dnsSolver(akamai)),
  definePlugin(dnsSolver(azureDns)),
  definePlugin(dnsSolver(cloudflare)),
  definePlugin(dnsSolver(desec)),
  definePlugin(dnsSolver(digitalocean)),
  definePlugin(dnsSolver(dnsimple)),
  definePlugin(dnsSolver(duckdns)),
  definePlugin(dnsSolver(gandi)),
  definePlugin(dnsSolver(godaddy)),
  definePlugin(dnsSolver(googleCloudDns)),
  definePlugin(dnsSolver(hetzner)),
  definePlugin(dnsSolver(infomaniak)),
  definePlugin(dnsSolver(inwx)),
  definePlugin(dnsSolver(ionos)),
  definePlugin(dnsSolver(linode)),
  definePlugin(dnsSolver(namecheap)),
  definePlugin(dnsSolver(netcup)),
  definePlugin(dnsSolver(netlify)),
  definePlugin(dnsSolver(ns1)),
  definePlugin(dnsSolver(ovh)),
  definePlugin(dnsSolver(porkbun)),
  definePlugin(dnsSolver(powerdns)),
  definePlugin(dnsSolver(route53)),
  definePlugin(dnsSolver(scaleway)),
  definePlugin(dnsSolver(vultr)),
  definePlugin(dnsSolver(exec)),
  definePlugin(dnsSolver(httpreq)),
  definePlugin(dnsSolver(certbotHooks)),
  definePlugin(dnsSolver(acmeSh)),
];
