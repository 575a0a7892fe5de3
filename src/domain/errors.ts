import { ERRORS, type ErrorCode, type ErrorFacts } from "./errorTable.ts";
import { inertLines } from "./text.ts";

interface RenewalErrorOptions {
  readonly cause?: unknown;
  /** ms since epoch before which trying again is useless. */
  readonly retryAt?: number;
}

/** The only error class. `message` is for people and never holds a secret; `code` owns retry, class and action. */
export class RenewalError extends Error {
  override readonly name = "RenewalError";
  readonly code: ErrorCode;
  readonly retryAt: number | null;
  constructor(code: ErrorCode, message: string, options: RenewalErrorOptions = {}) {
    // Foreign text is sanitized where it enters. This is the net for what was missed: it reaches history and terminals.
    super(inertLines(message), options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryAt = options.retryAt ?? null;
  }
  get facts(): ErrorFacts {
    return ERRORS[this.code];
  }
}

/** Node's codes for what the machine does not give, whoever asks for it. */
const SYSTEM_CODES: Readonly<Record<string, ErrorCode>> = {
  ENOSPC: "process.files",
  EDQUOT: "process.files",
  EROFS: "process.files",
  EACCES: "process.files",
  EPERM: "process.files",
  EMFILE: "process.files",
  ENFILE: "process.files",
  EADDRINUSE: "process.port",
  EADDRNOTAVAIL: "process.port",
};

/** Used where a step ends: makes a RenewalError of anything thrown. A foreign error is a bug in renewd. */
export function toRenewalError(thrown: unknown): RenewalError {
  // Tidying up failed as well: the first error is the cause, on a read-only disk of both.
  if (thrown instanceof SuppressedError) return toRenewalError(thrown.suppressed);
  if (thrown instanceof RenewalError) return thrown;
  const system = systemCode(thrown);
  if (system !== null)
    return new RenewalError(system, thrown instanceof Error ? thrown.message : "", { cause: thrown });
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new RenewalError(isReplaced(message) ? "process.replaced" : "internal.bug", message, { cause: thrown });
}

/** renewd loads much of itself when it is needed, and an upgrade takes the files away or makes others of them. */
function isReplaced(message: string): boolean {
  return /^Cannot find module '\/|^The requested module '.*' does not provide an export/.test(message);
}

/** A port below 1024 is refused with EACCES by `listen`, and no file is at fault then. */
function systemCode(thrown: unknown): ErrorCode | null {
  if (!(thrown instanceof Error) || !("code" in thrown) || typeof thrown.code !== "string") return null;
  if ("syscall" in thrown && thrown.syscall === "listen") return "process.port";
  return Object.hasOwn(SYSTEM_CODES, thrown.code) ? (SYSTEM_CODES[thrown.code] ?? null) : null;
}
