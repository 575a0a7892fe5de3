import type { Endpoint } from "../domain/endpoint.ts";
import { shakeHands } from "./handshake.ts";

/** Of all tries together. */
const TRIES_TIMEOUT_MS = 5_000;
/** An address that keeps dropping connections is tried again after this long. */
const KNOWN_MS = 600_000;
const KNOWN_MAX = 1_000;

interface Change {
  readonly endpoint: Endpoint;
  /** For people. */
  readonly what: string;
}

/** Finds out why an address ends every connection before it says anything. */
export interface ProtocolFinder {
  /** A handshake was completed, so the endpoint is right: what drops the next connection is a limit. */
  answered(endpoint: Endpoint, address: string): void;
  /** What the endpoint should say instead; null: nothing else works either, or it worked before. */
  find(endpoint: Endpoint, address: string, signal: AbortSignal): Promise<string | null>;
}

/**
 * A server that waits for something else than TLS often ends the connection without a word, as one does that limits
 * connections. So what it may wait for is tried: the protocols in which the client speaks first, and the PROXY
 * protocol.
 */
export function createProtocolFinder(now: () => number): ProtocolFinder {
  const known = new Map<string, { readonly until: number; readonly found: string | null }>();
  const remember = (key: string, until: number, found: string | null): void => {
    if (known.size >= KNOWN_MAX) known.clear();
    known.set(key, { until, found });
  };
  return {
    answered: (endpoint, address) => remember(keyOf(endpoint, address), now() + KNOWN_MS, null),
    async find(endpoint, address, signal) {
      const key = keyOf(endpoint, address);
      const before = known.get(key);
      if (before !== undefined && before.until > now()) return before.found;
      // Four connections at once must not try four times.
      remember(key, now() + KNOWN_MS, null);
      const bounded = AbortSignal.any([signal, AbortSignal.timeout(TRIES_TIMEOUT_MS)]);
      for (const change of changesOf(endpoint)) {
        const worked = await shakeHands({ endpoint: change.endpoint, address, keyKind: null }, bounded).then(
          () => true,
          () => false,
        );
        signal.throwIfAborted();
        if (!worked) continue;
        remember(key, now() + KNOWN_MS, change.what);
        return change.what;
      }
      return null;
    },
  };
}

function keyOf({ host, port, sni, starttls, proxyProtocol }: Endpoint, address: string): string {
  return [host, port, sni, starttls, proxyProtocol, address].join(" ");
}

function changesOf(endpoint: Endpoint): Change[] {
  const { starttls, proxyProtocol, ...bare } = endpoint;
  if (proxyProtocol !== undefined) {
    const without = starttls === undefined ? bare : { ...bare, starttls };
    return [{ endpoint: without, what: "it does not expect the PROXY protocol: leave out `proxyProtocol`" }];
  }
  const withHeader = { ...endpoint, proxyProtocol: "v1" } as const;
  const header = { endpoint: withHeader, what: "it expects the PROXY protocol: set `proxyProtocol: v1` or `v2`" };
  if (starttls !== undefined) return [header];
  const inPlain = (["postgresql", "ldap"] as const).map((protocol) => ({
    endpoint: { ...bare, starttls: protocol },
    what: `it speaks ${protocol}: set \`starttls: ${protocol}\``,
  }));
  return [...inPlain, header];
}
