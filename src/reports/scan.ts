import type { Endpoint } from "../domain/endpoint.ts";
import type { AddressScan, Finding, ScannedCertificate, TrustState } from "../domain/scan.ts";
import { iso } from "./instant.ts";

/** `renewd scan --json`. Text in it comes from the server. */
export interface ScanReport {
  readonly version: 1;
  readonly at: string;
  readonly host: string;
  readonly port: number;
  /** The name that was asked for. */
  readonly sni: string;
  readonly starttls: string | null;
  /** No address has a finding that is `wrong`, and all serve the same certificates. */
  readonly passed: boolean;
  /** Different leaves over all addresses. */
  readonly leaves: number;
  readonly addresses: readonly ScanAddressEntry[];
}

export interface ScanAddressEntry {
  readonly address: string;
  readonly durationMs: number | null;
  readonly protocol: string | null;
  readonly cipher: string | null;
  readonly certificates: readonly ScanChainEntry[];
  /** Worst first. */
  readonly findings: readonly Finding[];
}

export interface ScanChainEntry extends ScanCertificateEntry {
  readonly trust: TrustState;
  /** Names of the chain above it as a client builds it, the root last. */
  readonly path: readonly string[];
  /** What the server sent after it, in wire order. */
  readonly sent: readonly ScanCertificateEntry[];
}

export interface ScanCertificateEntry {
  readonly serial: string;
  readonly fingerprint: string;
  readonly subject: string;
  readonly issuer: string;
  readonly names: readonly string[];
  readonly notBefore: string;
  readonly notAfter: string;
  readonly key: string;
  readonly signature: string;
}

export function scanReport(endpoint: Endpoint, addresses: readonly AddressScan[], now: number): ScanReport {
  const sets = new Set(
    addresses
      .filter(({ chains }) => chains.length > 0)
      .map(({ chains }) =>
        chains
          .map(({ leaf }) => leaf.fingerprint)
          .toSorted()
          .join(" "),
      ),
  );
  const leaves = new Set(addresses.flatMap(({ chains }) => chains.map(({ leaf }) => leaf.fingerprint)));
  const isWrong = addresses.some(({ findings }) => findings.some(({ level }) => level === "wrong"));
  return {
    version: 1,
    at: iso(now),
    host: endpoint.host,
    port: endpoint.port,
    sni: endpoint.sni,
    starttls: endpoint.starttls ?? null,
    passed: !isWrong && sets.size === 1,
    leaves: leaves.size,
    addresses: addresses.map(({ address, durationMs, protocol, cipher, chains, findings }) => ({
      address,
      durationMs,
      protocol,
      cipher,
      certificates: chains.map(({ leaf, trust, path, sent }) => ({
        ...entryOf(leaf),
        trust,
        path,
        sent: sent.map(entryOf),
      })),
      findings,
    })),
  };
}

function entryOf(certificate: ScannedCertificate): ScanCertificateEntry {
  const { serial, fingerprint, subject, issuer, subjectAltNames, notBefore, notAfter, key, signature } = certificate;
  return {
    serial,
    fingerprint,
    subject,
    issuer,
    names: subjectAltNames,
    notBefore: iso(notBefore),
    notAfter: iso(notAfter),
    key,
    signature,
  };
}
