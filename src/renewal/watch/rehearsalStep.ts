import type { RenewalError } from "../../domain/errors.ts";

/** One part of a renewal, tried without touching production. */
export interface RehearsalStep {
  /** `order`, `target NAME` or `endpoint HOST:PORT`. */
  readonly step: string;
  readonly result: "passed" | "failed" | "notChecked";
  readonly message: string;
  readonly error: RenewalError | null;
}
