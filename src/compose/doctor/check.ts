import { raceAbort } from "../../domain/abort.ts";
import { toRenewalError } from "../../domain/errors.ts";
import type { DoctorArea, DoctorCheck } from "../../reports/doctor.ts";

export function passed(area: DoctorArea, subject: string, message: string): DoctorCheck {
  return { area, subject, result: "passed", message, fix: null, code: null };
}

export function failed(area: DoctorArea, subject: string, message: string, fix: string): DoctorCheck {
  return { area, subject, result: "failed", message, fix, code: null };
}

export function warning(area: DoctorArea, subject: string, message: string, fix: string): DoctorCheck {
  return { area, subject, result: "warning", message, fix, code: null };
}

export function notChecked(area: DoctorArea, subject: string, message: string): DoctorCheck {
  return { area, subject, result: "notChecked", message, fix: null, code: null };
}

export function failedWith(area: DoctorArea, subject: string, thrown: unknown): DoctorCheck {
  const { message, facts, code } = toRenewalError(thrown);
  return { area, subject, result: "failed", message, fix: facts.action, code };
}

/** What a check throws is what it found, and so is that it does not end: one broken part must not hide the others. */
export async function within(
  area: DoctorArea,
  timeoutMs: number,
  signal: AbortSignal,
  check: (signal: AbortSignal) => Promise<readonly DoctorCheck[]>,
): Promise<readonly DoctorCheck[]> {
  const bounded = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  try {
    return await raceAbort(bounded, () => check(bounded));
  } catch (thrown) {
    signal.throwIfAborted();
    if (!bounded.aborted) return [failedWith(area, area, thrown)];
    const fix = "Find out what does not answer there: a server, a name server or a disk that hangs.";
    return [failed(area, area, `no answer within ${timeoutMs / 1_000} s`, fix)];
  }
}
