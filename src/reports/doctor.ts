import { iso } from "./instant.ts";

/** What `renewd doctor` checks, in the order in which one thing needs the other. */
export const DOCTOR_AREAS = [
  "configuration",
  "secrets",
  "files",
  "disk",
  "database",
  "redis",
  "ca",
  "clock",
  "names",
  "targets",
  "ports",
  "web",
  "channels",
  "processes",
] as const;
export type DoctorArea = (typeof DOCTOR_AREAS)[number];

/** Worst first. */
export const DOCTOR_RESULTS = ["failed", "warning", "notChecked", "passed"] as const;
export type DoctorResult = (typeof DOCTOR_RESULTS)[number];

/** One check and what it found. Text may come from a CA, a target or a server. */
export interface DoctorCheck {
  readonly area: DoctorArea;
  /** What was checked, such as `target edge` or `/var/lib/renewd`. */
  readonly subject: string;
  /** `warning`: renewd works, and should not be left so. `notChecked`: something else has to be fixed first. */
  readonly result: DoctorResult;
  readonly message: string;
  /** How to fix it; null: nothing is to be fixed. */
  readonly fix: string | null;
  /** See `renewd errors CODE`. */
  readonly code: string | null;
}

/** `renewd doctor --json`. */
export interface DoctorReport {
  readonly version: 1;
  readonly at: string;
  readonly file: string;
  /** No check failed; there may be warnings. */
  readonly healthy: boolean;
  readonly failed: number;
  readonly warnings: number;
  readonly notChecked: number;
  readonly passed: number;
  /** In the order of the areas. */
  readonly checks: readonly DoctorCheck[];
}

export function doctorReport(file: string, checks: readonly DoctorCheck[], now: number): DoctorReport {
  const count = (result: DoctorResult): number => checks.filter((check) => check.result === result).length;
  return {
    version: 1,
    at: iso(now),
    file,
    healthy: count("failed") === 0,
    failed: count("failed"),
    warnings: count("warning"),
    notChecked: count("notChecked"),
    passed: count("passed"),
    checks: checks.toSorted((a, b) => DOCTOR_AREAS.indexOf(a.area) - DOCTOR_AREAS.indexOf(b.area)),
  };
}
