import type { X509Certificate } from "node:crypto";
import { deadlineAfter } from "../domain/abort.ts";
import type { Endpoint, Observation, ObservationProblem, ServedCertificate } from "../domain/endpoint.ts";
import { RenewalError } from "../domain/errors.ts";
import { namesCover } from "../domain/identifier.ts";
import type { Dialled, Probe } from "../domain/probe.ts";
import { type Resolve, systemResolve } from "../domain/systemResolve.ts";
import type { Version } from "../domain/version.ts";
import { createNeighbours, type Neighbours } from "../process/soleServer.ts";
import { addressesOf } from "./addresses.ts";
import { checkServed, type ExpectedCertificate } from "./checks.ts";
import { createProtocolFinder } from "./expectedProtocol.ts";
import { type Handshake, type HandshakeRequest, type KeyKind, shakeHands } from "./handshake.ts";
import { codeOf, reasonOf, SilentError } from "./reasons.ts";
import { chainToServe, describeServed } from "./served.ts";
import { createTurns } from "./turns.ts";

export interface ProbeOptions {
  /**
   * Upper bound for one name lookup and for one observation, even if the peer sends slowly; an endpoint may have its
   * own.
   */
  readonly timeoutMs: number;
  readonly resolve?: Resolve;
  /** ms since epoch. */
  readonly now: () => number;
}

export function createProbe({ timeoutMs, resolve = systemResolve, now }: ProbeOptions): Probe {
  const protocols = createProtocolFinder(now);
  const neighbours = createNeighbours();
  const turn = createTurns();
  return {
    attested: neighbours.attested,

    async addresses(endpoint, signal) {
      using deadline = deadlineAfter(timeoutMs, signal);
      try {
        return await addressesOf(endpoint.host, resolve, deadline.signal);
      } catch (error) {
        signal.throwIfAborted();
        if (!deadline.isOver()) throw error;
        throw new RenewalError(
          "verify.unreachable",
          `${endpoint.host}: no answer from the name server within ${timeoutMs} ms`,
          { cause: error },
        );
      }
    },

    async observe(endpoint, address, expected, signal) {
      await turn();
      signal.throwIfAborted();
      const wanted = expected && wantedOf(expected);
      const at = now();
      const started = performance.now();
      const limitMs = endpoint.handshakeTimeoutMs ?? timeoutMs;
      using deadline = deadlineAfter(limitMs, signal);
      const observed = (
        served: ServedCertificate | null,
        problem: ObservationProblem | null,
        { protocol = null, cipher = null, byServer = false }: Partial<Omit<Handshake, "leaf">> = {},
      ): Observation => ({
        address,
        port: endpoint.port,
        sni: endpoint.sni,
        at,
        durationMs: Math.round(performance.now() - started),
        served,
        ...(protocol !== null && { protocol }),
        ...(cipher !== null && { cipher }),
        ...(byServer && { byServer }),
        problem,
      });
      try {
        const request = { address, ...asked({ endpoint, address }, neighbours, deadline.signal) };
        const handshake = await serveWanted(request, wanted, deadline.signal);
        const served = describeServed(handshake.leaf);
        protocols.answered(endpoint, address);
        return observed(
          served,
          checkServed({
            served,
            expected: wanted,
            serverName: endpoint.sni,
            covered: namesCover(served.subjectAltNames, endpoint.sni),
            now: at,
          }),
          handshake,
        );
      } catch (error) {
        // renewd is shutting down. That says nothing about the peer.
        signal.throwIfAborted();
        if (deadline.isOver())
          return observed(null, { code: "verify.timeout", message: lateness(endpoint, limitMs, error) });
        const code = codeOf(error);
        const hint = code === "verify.dropped" ? await protocols.find(endpoint, address, signal) : null;
        if (hint !== null) return observed(null, { code: "verify.protocol", message: hint });
        return observed(null, { code, message: reasonOf(error) });
      }
    },
  };
}

function asked(
  { endpoint, address }: { readonly endpoint: Dialled; readonly address: string },
  { holdsOtherEnd, isSoleServer }: Neighbours,
  signal: AbortSignal,
): Pick<HandshakeRequest, "endpoint" | "isServer"> {
  const { server, port } = endpoint;
  if (server === undefined) return { endpoint };
  // Asked together, one reading of the kernel's tables serves both.
  const isServer: HandshakeRequest["isServer"] = async (ends) => {
    const [isSole, isHeld] = await Promise.all([
      isSoleServer(server, { address, port }),
      holdsOtherEnd(server, ends, signal),
    ]);
    return isSole && isHeld;
  };
  return { endpoint, isServer };
}

function lateness({ starttls }: Endpoint, limitMs: number, error: unknown): string {
  if (starttls === undefined || !(error instanceof SilentError)) return `no handshake within ${limitMs} ms`;
  return (
    `no ${starttls} within ${limitMs} ms: if the port expects TLS from the first byte, leave out \`starttls\`; ` +
    "if it is slow to greet, raise `handshakeTimeout`"
  );
}

interface Wanted extends ExpectedCertificate {
  readonly keyKind: KeyKind;
}

/** Every connection of a proof asks for the same version. */
const WANTED = new WeakMap<Version, Wanted>();

function wantedOf(version: Version): Wanted {
  const known = WANTED.get(version);
  if (known !== undefined) return known;
  const { leaf, keyType, chainPem } = version;
  const wanted: Wanted = {
    fingerprint: leaf.fingerprint,
    serial: leaf.serial,
    chain: chainToServe(chainPem),
    keyKind: keyType.startsWith("rsa") ? "rsa" : "ec",
  };
  WANTED.set(version, wanted);
  return wanted;
}

/**
 * A server may hold an RSA and an ECDSA certificate for one name and choose by what the client offers. If it shows the
 * kind that renewd did not issue, a second handshake offers only the issued kind. A server without one refuses; then
 * the first handshake counts.
 */
async function serveWanted(
  request: Omit<HandshakeRequest, "keyKind">,
  wanted: Wanted | null,
  signal: AbortSignal,
): Promise<Handshake> {
  const first = await shakeHands({ ...request, keyKind: null }, signal);
  if (!wanted || keyKindOf(first.leaf) === wanted.keyKind) return first;
  return await shakeHands({ ...request, keyKind: wanted.keyKind }, signal).catch(() => first);
}

/** null: Node does not know this kind of key. */
export function keyKindOf(leaf: X509Certificate): string | null {
  try {
    return leaf.publicKey.asymmetricKeyType ?? null;
  } catch {
    return null;
  }
}
