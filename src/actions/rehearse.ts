import { RenewalError } from "../domain/errors.ts";
import * as watch from "../renewal/watch/rehearse.ts";
import { tryEndpoints } from "../renewal/watch/tryEndpoints.ts";
import { type ActionContext, certificateNamed, type Decision, optionalReason } from "./context.ts";

/** `renewd rehearse --json`. */
export interface RehearseReport {
  readonly version: 1;
  readonly passed: boolean;
  readonly steps: readonly RehearseEntry[];
}

export interface RehearseEntry {
  readonly certificate: string;
  /** `order`, `target NAME` or `endpoint HOST:PORT`. */
  readonly step: string;
  readonly result: "passed" | "failed" | "notChecked";
  readonly message: string;
  /** What to do; null: nothing. */
  readonly action: string | null;
}

/** One certificate; an order may wait for DNS. */
const TIMEOUT_MS = 900_000;

/**
 * Everything a renewal does but touch production. Takes as long as an order; null: every certificate. `skips`: targets
 * that cannot be tried from here.
 */
export async function rehearse(
  context: ActionContext,
  name: string | null,
  { by, reason }: Decision,
  skips: (target: string) => boolean = () => false,
): Promise<RehearseReport> {
  const { renewal, estate } = context;
  const { certificates } = estate();
  const chosen = name === null ? certificates : [certificateNamed(certificates, name)];
  const why = optionalReason(reason);
  const steps: RehearseEntry[] = [];
  for (const certificate of chosen) {
    const office = renewal.services.rehearsal(certificate.issuer);
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const targets = certificate.targets.filter((target) => !skips(target));
    const tried = await watch.rehearse(renewal, { ...certificate, targets }, office, signal, undefined, { by, why });
    const dialled = await tryEndpoints(renewal, certificate, signal);
    for (const { error, ...step } of [...tried, ...dialled])
      steps.push({ certificate: certificate.name, ...step, action: error?.facts.action ?? null });
  }
  return { version: 1, passed: steps.every(({ result }) => result !== "failed"), steps };
}

/** One at a time for each certificate: a staging CA is not built for load. */
const running = new Map<string, Promise<unknown>>();

/** Begins a rehearsal in this process; what it finds is in the history as `certificate.rehearsed`. */
export function beginRehearsal(context: ActionContext, name: string, decision: Decision): void {
  certificateNamed(context.estate().certificates, name);
  if (running.has(name)) throw new RenewalError("request.invalid", `"${name.slice(0, 80)}" is being rehearsed already`);
  const { log, services } = context.renewal;
  // A target with an agent can be checked only from the agent's machine.
  const rehearsal = rehearse(context, name, decision, (target) => services.hasAgent(target))
    .catch((thrown: unknown) => log.error({ err: thrown, certificate: name }, "rehearsal not finished"))
    .finally(() => running.delete(name));
  running.set(name, rehearsal);
}
