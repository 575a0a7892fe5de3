import { statSync } from "node:fs";
import { RenewalError } from "../domain/errors.ts";

/**
 * Whether there is no such file. Throws `store.forbidden` where this user cannot see that: what is there would be shown
 * as nothing at all, and "no alert" to somebody who forgot `sudo`.
 */
export function isMissing(file: string): boolean {
  try {
    return statSync(file, { throwIfNoEntry: false }) === undefined;
  } catch (cause) {
    throw unreachable(file, cause);
  }
}

/** `what`: the file, with a word before it that says which one it is. */
export function unreachable(what: string, cause: unknown): RenewalError {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown error";
  return new RenewalError(
    "store.forbidden",
    `${what} cannot be reached by this user (${code}): run the command as the user of its directory, such as ` +
      "`sudo -u renewd renewd …`",
    { cause },
  );
}
