import { tryEndpoints } from "../renewal/watch/tryEndpoints.ts";
import { type ActionContext, certificateNamed } from "./context.ts";
import type { RehearseEntry } from "./rehearse.ts";

/** `renewd dial --json`. */
export interface DialReport {
  readonly version: 1;
  readonly certificate: string;
  /** A TLS server answers at every address. */
  readonly passed: boolean;
  readonly steps: readonly RehearseEntry[];
}

const TIMEOUT_MS = 60_000;

/** One handshake with every address of the certificate's endpoints now. What they serve is shown, and not judged. */
export async function dial({ renewal, estate }: ActionContext, name: string, signal: AbortSignal): Promise<DialReport> {
  const certificate = certificateNamed(estate().certificates, name);
  const tried = await tryEndpoints(renewal, certificate, AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]));
  const steps = tried.map(({ error, ...step }) => ({
    certificate: name,
    ...step,
    action: error?.facts.action ?? null,
  }));
  return { version: 1, certificate: name, passed: steps.every(({ result }) => result !== "failed"), steps };
}
