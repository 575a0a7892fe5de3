import type { Config } from "../config/config.ts";
import type { PeerSource } from "../domain/peer.ts";
import type { Secret } from "../domain/secret.ts";
import type { SecretReference } from "../domain/secretReference.ts";
import { trustSystemAuthorities } from "./systemTrust.ts";

/** Other renewds that this one watches; their tokens are read when they are asked. */
export function peerSources(
  { peers }: Pick<Config, "peers">,
  secret: (reference: SecretReference) => Promise<Secret>,
): PeerSource[] {
  return peers.map(({ name, url, everyMs, sweepMaxMs, trustPem, token }) => ({
    ...{ name, url, everyMs, sweepMaxMs },
    async ask(signal) {
      trustSystemAuthorities();
      const { askPeer } = await import("../notify/peer.ts");
      return askPeer({ name, url, trustPem, token: token && (await secret(token)) }, signal);
    },
  }));
}
