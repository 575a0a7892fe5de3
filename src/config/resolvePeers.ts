import type { z } from "zod";
import type { Entry } from "./check/sections.ts";
import type { PeerConfig } from "./config.ts";
import type { Resources } from "./read/files.ts";
import type { peerSchema } from "./schema/peers.ts";

/** Leaves out one whose files have a mistake, which is reported already. */
export async function resolvePeers(
  entries: ReadonlyMap<string, Entry<z.output<typeof peerSchema>>>,
  resources: Resources,
): Promise<PeerConfig[]> {
  const found: PeerConfig[] = [];
  for (const [name, { value }] of entries) {
    const { url, every, sweepMax, trust, token = null } = value;
    const trustPem = trust === undefined ? null : await resources.trust(trust, ["peers", name, "trust"]);
    if (trustPem !== undefined) found.push({ name, url, everyMs: every, sweepMaxMs: sweepMax, trustPem, token });
  }
  return found;
}
