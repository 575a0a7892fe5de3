import { readFile } from "node:fs/promises";
import type { Endpoint } from "../domain/endpoint.ts";
import { RenewalError } from "../domain/errors.ts";
import { type ScanReport, scanReport } from "../reports/scan.ts";
import { scanEndpoint } from "../tls/scan/scan.ts";
import { systemClock } from "./clock.ts";
import { certificatesIn, trustedRoots } from "./trustedRoots.ts";

export interface ScanHow {
  readonly timeoutMs: number;
  /** PEM files with roots that are trusted as well. */
  readonly trustFiles: readonly string[];
}

/** Needs no configuration. Throws `request.invalid` for a trust file without a certificate. */
export async function scan(endpoint: Endpoint, how: ScanHow, signal: AbortSignal): Promise<ScanReport> {
  const own = await Promise.all(how.trustFiles.map(certificatesOf));
  const roots = trustedRoots(own.flat());
  const options = { roots, timeoutMs: how.timeoutMs, now: systemClock.now };
  return scanReport(endpoint, await scanEndpoint(endpoint, options, signal), systemClock.now());
}

async function certificatesOf(file: string): Promise<string[]> {
  const text = await readFile(file, "utf8").catch((cause: unknown) => {
    throw new RenewalError("request.invalid", `--trust: ${file} cannot be read (${codeOf(cause)})`, { cause });
  });
  const found = certificatesIn(text);
  if (found.length === 0) throw new RenewalError("request.invalid", `--trust: ${file} holds no certificate in PEM`);
  return found;
}

function codeOf(cause: unknown): string {
  return cause instanceof Error && "code" in cause ? String(cause.code) : "unknown reason";
}
