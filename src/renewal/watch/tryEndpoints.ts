import pLimit from "p-limit";
import type { Certificate } from "../../domain/certificate.ts";
import type { Endpoint } from "../../domain/endpoint.ts";
import { RenewalError, toRenewalError } from "../../domain/errors.ts";
import { isErrorCode } from "../../domain/errorTable.ts";
import { formatInstant } from "../../domain/time.ts";
import type { Context } from "../context.ts";
import type { RehearsalStep } from "./rehearsalStep.ts";

const AT_ONCE = 8;

/**
 * For a rehearsal: can this machine dial every address of the certificate's endpoints, and does a TLS server answer
 * there? What it serves is not judged. Before the first version a server that does not answer may be waiting for it.
 */
export async function tryEndpoints(
  context: Pick<Context, "store" | "probe" | "vantage">,
  certificate: Pick<Certificate, "name" | "endpoints">,
  signal: AbortSignal,
): Promise<RehearsalStep[]> {
  const isNew = (await context.store.versions.latest(certificate.name)) === null;
  const limit = pLimit(AT_ONCE);
  const steps = await Promise.all(
    certificate.endpoints.map((endpoint) => limit(() => tryEndpoint(context, endpoint, signal))),
  );
  return steps.map((step) =>
    step.result === "failed" && isNew
      ? { ...step, result: "notChecked", message: `${step.message}; it may need its first certificate`, error: null }
      : step,
  );
}

async function tryEndpoint(
  { probe, vantage: here }: Pick<Context, "probe" | "vantage">,
  endpoint: Endpoint,
  signal: AbortSignal,
): Promise<RehearsalStep> {
  const { host, port, vantage } = endpoint;
  const step = `endpoint ${host.includes(":") ? `[${host}]` : host}:${port}${vantage === undefined ? "" : ` from ${vantage}`}`;
  if (vantage !== here && vantage !== undefined)
    return { step, result: "notChecked", message: `only its verifiers dial from vantage ${vantage}`, error: null };
  try {
    const addresses = await probe.addresses(endpoint, signal);
    const answers: string[] = [];
    for (const address of addresses) {
      const { served, problem } = await probe.observe(endpoint, address, null, signal);
      if (served === null) {
        const code = problem !== null && isErrorCode(problem.code) ? problem.code : "verify.unreachable";
        throw new RenewalError(code, `${address}: ${problem?.message ?? "it serves no certificate"}`);
      }
      answers.push(`${address} serves a certificate of ${served.issuer} until ${formatInstant(served.notAfter)}`);
    }
    if (answers.length === 0) throw new RenewalError("verify.unreachable", `${endpoint.host} has no address`);
    return { step, result: "passed", message: answers.join("; "), error: null };
  } catch (thrown) {
    signal.throwIfAborted();
    const error = toRenewalError(thrown);
    return { step, result: "failed", message: error.message, error };
  }
}
