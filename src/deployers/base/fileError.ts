import { getSystemErrorMessage } from "node:util";
import { RenewalError } from "../../domain/errors.ts";

/** Node's own text may name a descriptor instead of the file, so only the system's reason is taken from it. */
export function fileError(error: unknown, what: string): RenewalError {
  if (error instanceof RenewalError) return error;
  return new RenewalError("deploy.io", `${what}: ${reason(error)}`, { cause: error });
}

function reason(error: unknown): string {
  const { errno, code } = error instanceof Error ? (error as NodeJS.ErrnoException) : {};
  if (errno === undefined) return "cannot be used";
  return `${getSystemErrorMessage(errno)}${code === undefined ? "" : ` (${code})`}`;
}
