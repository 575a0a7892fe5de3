import { findAcmeSh } from "./acmeSh.ts";
import { findApache } from "./apache.ts";
import { findCaddy } from "./caddy.ts";
import { findCertbot } from "./certbot.ts";
import type { Discovery } from "./found.ts";
import { findHaproxy } from "./haproxy.ts";
import { findLego } from "./lego.ts";
import type { Machine } from "./machine.ts";
import { findNginx } from "./nginx.ts";

export type { Discovery, Lineage, ServedPair, ServerFindings } from "./found.ts";
export { type Machine, machineAt } from "./machine.ts";

/** Every source: one line each. A server's source returns null when the server is not configured on the machine. */
const SERVERS = [findNginx, findApache, findHaproxy, findCaddy];
const CLIENTS = [findCertbot, findAcmeSh, findLego];

/** What serves and renews certificates on a machine, by the configuration files at their usual places. Reads only. */
export async function discover(machine: Machine): Promise<Discovery> {
  const servers = [];
  for (const find of SERVERS) {
    const found = await find(machine);
    if (found !== null) servers.push(found);
  }
  const lineages = [];
  for (const find of CLIENTS) lineages.push(...(await find(machine)));
  return { servers, lineages, unreadable: machine.unreadable };
}
