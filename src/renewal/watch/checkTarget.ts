import type { RenewalError } from "../../domain/errors.ts";
import type { Context } from "../context.ts";
import type { RehearsalStep } from "./rehearsalStep.ts";
import { isPassing, tryTargets } from "./rehearse.ts";

export interface Asked {
  /** `user@host`; null: not known. */
  readonly by: string | null;
  readonly why: string | null;
}

export interface TargetCheck {
  readonly target: string;
  readonly passed: boolean;
  readonly message: string;
  /** The first that was found; null: none. */
  readonly error: RenewalError | null;
}

/** Of one target's certificates; the others share their server, and mostly their fate. */
const CERTIFICATES_MAX = 20;
const LIMITS = { preflightMs: 15_000, preflightsMs: 20_000 } as const;

/** What would keep a deployment from succeeding, found without touching anything; recorded as `target.checked`. */
export async function checkTarget(
  context: Context,
  target: string,
  { by, why }: Asked,
  signal: AbortSignal,
): Promise<TargetCheck> {
  const { store, services, clock } = context;
  const certificates = services.certificates().filter(({ targets }) => targets.includes(target));
  const tried = certificates.slice(0, CERTIFICATES_MAX);
  const steps = await Promise.all(
    tried.map(async ({ name }) => {
      const [step] = await tryTargets(context, { name, targets: [target] }, LIMITS, signal);
      return step === undefined ? [] : [{ ...step, name }];
    }),
  );
  const check = judged(target, steps.flat(), certificates.length);
  const { passed, message, error } = check;
  const detail = {
    passed,
    message: message.slice(0, MESSAGE_CHARACTERS_MAX),
    ...(error !== null && { code: error.code, action: error.facts.action }),
    ...{ by, ...(why !== null && { why }) },
  };
  await store.events.append({
    at: clock.now(),
    type: "target.checked",
    certificate: null,
    renewalId: null,
    target,
    detail,
  });
  return check;
}

const MESSAGE_CHARACTERS_MAX = 1_000;

function judged(target: string, steps: readonly (RehearsalStep & { name: string })[], all: number): TargetCheck {
  const failed = steps.filter((step) => !isPassing(step));
  const [first] = failed;
  const of = all > steps.length ? ` (tried ${steps.length} of ${all})` : "";
  if (first !== undefined)
    return {
      target,
      passed: false,
      message: `${failed.length} of ${steps.length} certificates${of}: ${first.name}: ${first.message}`,
      error: first.error,
    };
  const [example] = steps;
  const message =
    example === undefined
      ? "no certificate goes there, so nothing was tried"
      : `${steps.length} ${steps.length === 1 ? "certificate" : "certificates"}${of}: ${example.message}`;
  return { target, passed: steps.length > 0, message, error: null };
}
