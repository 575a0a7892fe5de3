import type { z } from "zod";
import { isLoopback } from "../domain/loopback.ts";
import type { Entry } from "./check/sections.ts";
import type { PeerConfig } from "./config.ts";
import type { Resources } from "./read/files.ts";
import type { Problems } from "./read/problems.ts";
import type { peerSchema } from "./schema/peers.ts";

/** Where this renewd's own pages are. */
interface Own {
  readonly url?: string | undefined;
  readonly port?: number | undefined;
}

/** Leaves out one whose files have a mistake, which is reported already. */
export async function resolvePeers(
  entries: ReadonlyMap<string, Entry<z.output<typeof peerSchema>>>,
  own: Own,
  resources: Resources,
  problems: Problems,
): Promise<PeerConfig[]> {
  const found: PeerConfig[] = [];
  for (const [name, { value }] of entries) {
    const { url, every, sweepMax, trust, token = null } = value;
    if (isOwn(url, own))
      problems.add(["peers", name, "url"], "is this renewd itself, which cannot tell that it is dead: name another");
    const trustPem = trust === undefined ? null : await resources.trust(trust, ["peers", name, "trust"]);
    if (trustPem !== undefined) found.push({ name, url, everyMs: every, sweepMaxMs: sweepMax, trustPem, token });
  }
  return found;
}

function isOwn(url: string, own: Own): boolean {
  const { host, hostname, port } = new URL(url);
  if (isLoopback(hostname) && port === String(own.port)) return true;
  return own.url !== undefined && URL.parse(own.url)?.host === host;
}
