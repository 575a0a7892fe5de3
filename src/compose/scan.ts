import { readFile } from "node:fs/promises";
import { getCACertificates } from "node:tls";
import type { Endpoint } from "../domain/endpoint.ts";
import { RenewalError } from "../domain/errors.ts";
import { type ScanReport, scanReport } from "../reports/scan.ts";
import { scanEndpoint } from "../tls/scan/scan.ts";
import { type Roots, rootsOf } from "../x509/trust.ts";
import { systemClock } from "./clock.ts";
import { trustSystemAuthorities } from "./systemTrust.ts";

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

export interface ScanHow {
  readonly timeoutMs: number;
  /** PEM files with roots that are trusted as well. */
  readonly trustFiles: readonly string[];
}

/** Needs no configuration. Throws `request.invalid` for a trust file without a certificate. */
export async function scan(endpoint: Endpoint, how: ScanHow, signal: AbortSignal): Promise<ScanReport> {
  const roots = await trustedRoots(how.trustFiles);
  const options = { roots, timeoutMs: how.timeoutMs, now: systemClock.now };
  return scanReport(endpoint, await scanEndpoint(endpoint, options, signal), systemClock.now());
}

async function trustedRoots(files: readonly string[]): Promise<Roots> {
  trustSystemAuthorities();
  const own = await Promise.all(files.map(certificatesIn));
  return rootsOf([...own.flat(), ...getCACertificates("default")]);
}

async function certificatesIn(file: string): Promise<string[]> {
  const text = await readFile(file, "utf8").catch((cause: unknown) => {
    throw new RenewalError("request.invalid", `--trust: ${file} cannot be read (${codeOf(cause)})`, { cause });
  });
  const found = text.match(CERTIFICATE) ?? [];
  if (found.length === 0) throw new RenewalError("request.invalid", `--trust: ${file} holds no certificate in PEM`);
  return found;
}

function codeOf(cause: unknown): string {
  return cause instanceof Error && "code" in cause ? String(cause.code) : "unknown reason";
}
