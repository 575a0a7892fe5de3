import * as watch from "../renewal/watch/rehearse.ts";
import { requestRehearsal as askForRehearsal } from "../renewal/watch/requestRehearsal.ts";
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
    for (const { error, ...step } of tried)
      steps.push({ certificate: certificate.name, ...step, action: error?.facts.action ?? null });
  }
  return { version: 1, passed: steps.every(({ result }) => result !== "failed"), steps };
}

/** `POST …/rehearse`. */
export interface RehearsalRequested {
  readonly certificate: string;
  readonly begun: true;
}

/** Has a planner rehearse it; what is found is in the history as `certificate.rehearsed`. Throws `request.invalid`. */
export async function requestRehearsal(
  { renewal, estate }: ActionContext,
  name: string,
  { by, reason }: Decision,
): Promise<RehearsalRequested> {
  const { name: certificate } = certificateNamed(estate().certificates, name);
  await askForRehearsal(renewal, { certificate, by, why: optionalReason(reason) });
  return { certificate, begun: true };
}
