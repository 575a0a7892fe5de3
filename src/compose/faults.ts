import { AsyncLocalStorage } from "node:async_hooks";
import { RenewalError } from "../domain/errors.ts";
import type { Role } from "./roleNames.ts";

/** An error that no caller handled: a rejection that nobody awaits, or a throw in a timer or listener. */
export interface Fault {
  readonly thrown: unknown;
  /** The role whose work it came from; null: unknown. */
  readonly role: Role | null;
}

const roleOfWork = new AsyncLocalStorage<Role>();

/** Everything that `work` starts, also later, belongs to the role. */
export function asRole<T>(role: Role, work: () => T): T {
  return roleOfWork.run(role, work);
}

/** Node ends a process for such an error. From now on `onFault` decides; `close` restores Node's way. */
export function catchFaults(onFault: (fault: Fault) => void): { close(): void } {
  const onThrown = (thrown: unknown): void => onFault({ thrown, role: roleOfWork.getStore() ?? null });
  process.on("uncaughtException", onThrown);
  process.on("unhandledRejection", onThrown);
  return {
    close() {
      process.off("uncaughtException", onThrown);
      process.off("unhandledRejection", onThrown);
    },
  };
}

/**
 * For the append-only history. The message of a foreign error may hold anything, also a secret, so only its name and
 * the place in our files are kept; the log, which masks secrets, has all of it.
 */
export function describeFault(thrown: unknown): string {
  if (thrown instanceof RenewalError) return `${thrown.code}: ${thrown.message}`;
  if (!(thrown instanceof Error)) return "a value that is no error";
  const name = /^\w{1,60}$/.test(thrown.name) ? thrown.name : "Error";
  const place = /\/((?:src|workers)\/[\w./-]{1,120}:\d+)/.exec(thrown.stack ?? "")?.[1];
  return place === undefined ? name : `${name} at ${place}`;
}
