// What clients get at every address of a host, judged as they judge it.
import type { X509Certificate } from "node:crypto";
import type { Endpoint } from "../../domain/endpoint.ts";
import type { AddressScan, Finding } from "../../domain/scan.ts";
import { type Resolve, systemResolve } from "../../domain/systemResolve.ts";
import type { Roots } from "../../x509/trust.ts";
import { addressesOf } from "../addresses.ts";
import { type KeyKind, shakeHands } from "../handshake.ts";
import { keyKindOf } from "../probe.ts";
import { codeOf, reasonOf, SilentError } from "../reasons.ts";
import { type Judged, judge, worstFirst } from "./judge.ts";

export interface ScanOptions {
  readonly roots: Roots;
  /** Of one handshake, from connect on. */
  readonly timeoutMs: number;
  readonly resolve?: Resolve;
  /** ms since epoch. */
  readonly now: () => number;
}

/**
 * Every address of the endpoint, in the resolver's order. At each the certificate that the server chooses, and the one
 * it keeps for clients of the other key type. Throws `verify.unreachable` when the host has no address.
 */
export async function scanEndpoint(
  endpoint: Endpoint,
  options: ScanOptions,
  signal: AbortSignal,
): Promise<AddressScan[]> {
  const { timeoutMs, resolve = systemResolve } = options;
  const patience = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  const addresses = await addressesOf(endpoint.host, resolve, patience);
  return await Promise.all(addresses.map((address) => scanAddress(endpoint, address, options, signal)));
}

async function scanAddress(
  endpoint: Endpoint,
  address: string,
  options: ScanOptions,
  signal: AbortSignal,
): Promise<AddressScan> {
  const { timeoutMs, roots, now } = options;
  const place = { address, port: endpoint.port };
  const started = performance.now();
  const patience = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  try {
    const first = await shakeHands({ endpoint, address, keyKind: null }, patience);
    const durationMs = Math.round(performance.now() - started);
    const question = { serverName: endpoint.sni, roots, now: now() };
    const judged = [judge(first.leaf, question)];
    const other = await otherLeaf(endpoint, address, first.leaf, patience);
    if (other !== null) judged.push(judge(other, question));
    return {
      ...place,
      durationMs,
      protocol: first.protocol,
      cipher: first.cipher,
      chains: judged.map(({ chain }) => chain),
      findings: worstFirst([...findingsOf(judged), ...refused(first.protocol)]),
    };
  } catch (error) {
    signal.throwIfAborted();
    return {
      ...place,
      durationMs: null,
      protocol: null,
      cipher: null,
      chains: [],
      findings: [noHandshake(error, endpoint, timeoutMs)],
    };
  }
}

/** null: the server has one certificate for all clients. */
async function otherLeaf(
  endpoint: Endpoint,
  address: string,
  leaf: X509Certificate,
  signal: AbortSignal,
): Promise<X509Certificate | null> {
  const keyKind: KeyKind = keyKindOf(leaf) === "rsa" ? "ec" : "rsa";
  const found = await shakeHands({ endpoint, address, keyKind }, signal).catch(() => null);
  return found === null || found.leaf.fingerprint256 === leaf.fingerprint256 ? null : found.leaf;
}

/** Of two certificates, each finding says which it is about. */
function findingsOf(judged: readonly Judged[]): Finding[] {
  if (judged.length === 1) return judged.flatMap(({ findings }) => [...findings]);
  return judged.flatMap(({ chain, findings }) =>
    findings.map((each) => ({ ...each, message: `${chain.leaf.key}: ${each.message}` })),
  );
}

function refused(protocol: string | null): Finding[] {
  if (protocol !== null) return [];
  return [
    {
      level: "note",
      id: "clientCertificate",
      message: "it ended the handshake after it had shown its certificate: it asks clients for one of their own",
      advice: null,
    },
  ];
}

function noHandshake(error: unknown, { starttls }: Endpoint, timeoutMs: number): Finding {
  const isLate = error instanceof SilentError || (error instanceof Error && error.name === "TimeoutError");
  const hint =
    starttls === undefined
      ? "Check the port, and whether a firewall drops the connection; for mail, databases and the like give `--starttls`."
      : `Check that the port speaks ${starttls} in plain text first; if it expects TLS at once, leave \`--starttls\` out.`;
  return isLate
    ? { level: "wrong", id: "verify.timeout", message: `no handshake within ${timeoutMs} ms`, advice: hint }
    : { level: "wrong", id: codeOf(error), message: reasonOf(error), advice: hint };
}
