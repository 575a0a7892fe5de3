import { hostname, userInfo } from "node:os";
import { type Environment, processEnvironment } from "../config/read/environment.ts";

/**
 * `user@host` for the history; an account without a name asks as its number. Behind sudo it is who typed the command:
 * everybody's `sudo -u renewd renewd …` would be renewd's otherwise.
 */
export function requestedBy(environment: Environment = processEnvironment): string | null {
  const uid = process.getuid?.();
  const at = `@${hostname()}`.slice(0, 60);
  const person = environment("SUDO_USER") ?? "";
  if (/^[\w.-]{1,40}\$?$/.test(person)) return `${person}${at}`;
  try {
    return `${userInfo().username.slice(0, 40)}${at}`;
  } catch {
    return uid === undefined ? null : `uid ${uid}${at}`;
  }
}
