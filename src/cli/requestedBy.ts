import { hostname, userInfo } from "node:os";

/** `user@host` for the history; an account without a name asks as its number. */
export function requestedBy(): string | null {
  const uid = process.getuid?.();
  const at = `@${hostname()}`.slice(0, 60);
  try {
    return `${userInfo().username.slice(0, 40)}${at}`;
  } catch {
    return uid === undefined ? null : `uid ${uid}${at}`;
  }
}
