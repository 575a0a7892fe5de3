import { statSync } from "node:fs";
import { dirname } from "node:path";
import { RenewalError } from "../domain/errors.ts";
import { shownUser } from "../domain/userName.ts";

/**
 * Whether there is no such file. Throws `store.forbidden` where this user cannot see that: what is there would be shown
 * as nothing at all, and "no alert" to somebody who forgot `sudo`.
 */
export function isMissing(file: string): boolean {
  try {
    return statSync(file, { throwIfNoEntry: false }) === undefined;
  } catch (cause) {
    throw unreachable(file, "", cause);
  }
}

/** `word`: before the file, says which one it is. */
export function unreachable(file: string, word: string, cause: unknown): RenewalError {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown error";
  return new RenewalError(
    "store.forbidden",
    `${word}${file} cannot be reached by this user (${code}): run the command as the user of its directory: ` +
      `\`sudo -u ${ownerAbove(file)} renewd …\``,
    { cause },
  );
}

/** The user of the nearest directory above that shows whose it is. */
function ownerAbove(file: string): string {
  const directory = dirname(file);
  try {
    return shownUser(statSync(directory).uid).sudo;
  } catch {
    return directory === file ? "root" : ownerAbove(directory);
  }
}
