import { ACME_ERRORS } from "./errorTable/acme.ts";
import { CHALLENGE_ERRORS } from "./errorTable/challenge.ts";
import { DEPLOY_ERRORS } from "./errorTable/deploy.ts";
import type { ErrorFacts } from "./errorTable/facts.ts";
import { PROCESS_ERRORS } from "./errorTable/process.ts";
import { VERIFY_ERRORS } from "./errorTable/verify.ts";

export type { ErrorClass, ErrorFacts } from "./errorTable/facts.ts";

/** The one table that says what each code means. Adapters throw codes; only `renewal/` acts on these facts. */
export const ERRORS = {
  ...ACME_ERRORS,
  ...CHALLENGE_ERRORS,
  ...DEPLOY_ERRORS,
  ...VERIFY_ERRORS,
  ...PROCESS_ERRORS,
} as const satisfies Record<string, ErrorFacts>;

export type ErrorCode = keyof typeof ERRORS;

export function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERRORS, code);
}

const UNAVAILABLE: readonly string[] = [
  "queue.unavailable",
  "queue.unanswered",
  "queue.busy",
  "store.unavailable",
  "store.full",
  "store.forbidden",
  "store.damaged",
  "store.conflict",
  "process.files",
  "process.port",
  "web.address",
  "web.files",
  "web.unavailable",
] satisfies readonly ErrorCode[];

/** What renewd needs could not be had, which no other request would change: exit code 3 of a command, 503 over HTTP. */
export function isUnavailable(code: string): boolean {
  return UNAVAILABLE.includes(code);
}

const STORE_AWAY: readonly string[] = ["store.unavailable", "store.full", "store.forbidden"];

/** The database takes nothing just now, which is no fault of the work that found it. */
export function isStoreAway(code: string | null): boolean {
  return code !== null && STORE_AWAY.includes(code);
}
