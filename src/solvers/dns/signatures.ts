import { RenewalError } from "../../domain/errors.ts";
import type { CredentialEnd } from "../../domain/horizon.ts";
import { SECOND_MS } from "../../domain/time.ts";
import { ask, serverName } from "./client.ts";
import type { Lookup } from "./lookup.ts";

const SIGNED = ["SOA", "DNSKEY", "NS"] as const;

/**
 * When the first signature of the zone's apex runs out, as its own servers serve it (RFC 4034 §3.1.5); of several
 * servers the first to answer. null: the zone is not signed. A signer that works renews them long before: CAs that
 * validate cannot look anything up afterwards. Throws `dns.unreachable`.
 */
export async function signatureEnd(lookup: Lookup, zone: string, signal: AbortSignal): Promise<CredentialEnd | null> {
  const servers = await lookup.nameServers(zone, signal);
  const troubles: string[] = [];
  for (const address of servers.flatMap(({ addresses }) => addresses)) {
    try {
      const ends: { readonly ends: number; readonly begins: number; readonly type: string }[] = [];
      for (const type of SIGNED) {
        const { answers } = await ask(address, { name: zone, type }, { recurse: false, signatures: true }, signal);
        for (const answer of answers)
          if (answer.type === "RRSIG")
            ends.push({ ends: answer.data.expiration * SECOND_MS, begins: answer.data.inception * SECOND_MS, type });
      }
      const [first] = ends.sort((a, b) => a.ends - b.ends);
      if (first === undefined) return null;
      const note = `RRSIG of ${first.type}, says ${serverName(address)}`;
      return { what: "DNSSEC signatures", ends: first.ends, begins: first.begins, note };
    } catch (error) {
      signal.throwIfAborted();
      troubles.push(error instanceof Error ? error.message : String(error));
    }
  }
  throw new RenewalError("dns.unreachable", `no server of ${zone} answers: ${troubles.join("; ").slice(0, 500)}`);
}
