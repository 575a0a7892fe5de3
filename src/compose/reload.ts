import { createHash } from "node:crypto";
import type { Config } from "../config/config.ts";
import { diffConfig } from "../config/diff.ts";
import { type RenewalError, toRenewalError } from "../domain/errors.ts";
import type { Log } from "../domain/log.ts";
import { Secret } from "../domain/secret.ts";
import type { RoleFailure } from "./supervisor.ts";

export interface ReloadOptions {
  /** What the process was started with. */
  readonly started: Config;
  readonly log: Log;
  readonly load: () => Promise<Config>;
  /** Puts it into force. When it throws, the one before stays. */
  readonly replace: (next: Config) => void;
  /** Hands it to the roles. Returns the roles that could not apply all of it. */
  readonly apply: (next: Config) => Promise<readonly RoleFailure[]>;
  /** After each reload, with what is in force and why not all of what was asked for is; null: all of it is. */
  readonly onEnd?: (inForce: Config, problem: RenewalError | null) => Promise<void>;
}

/** What a process opens once. */
const OPENED_ONCE = ["dataDir", "masterKey", "store", "redis"] as const satisfies readonly (keyof Config)[];

/** Loads and applies the configuration again, one reload after another. */
export interface Reloader {
  readonly inForce: () => Config;
  /** False: the configuration is wrong, and the one before stays in force. Rejects never. */
  readonly reload: () => Promise<boolean>;
}

export function reloader(options: ReloadOptions): Reloader {
  let current = options.started;
  let reloading = Promise.resolve(true);
  const reload = async (): Promise<boolean> => {
    const next = await reloadOnce(options, current);
    if ("refused" in next) return next.refused.code !== "config.invalid";
    current = next;
    return true;
  };
  return {
    inForce: () => current,
    reload: () => {
      reloading = reloading.then(reload);
      return reloading;
    },
  };
}

/** `refused`: the configuration of before stays in force. */
async function reloadOnce(
  { started, log, load, replace, apply, onEnd }: ReloadOptions,
  before: Config,
): Promise<Config | { readonly refused: RenewalError }> {
  let next: Config;
  try {
    next = await load();
    replace(next);
  } catch (thrown) {
    const error = toRenewalError(thrown);
    log.error({ err: error }, "configuration not reloaded; the old one stays in force");
    await onEnd?.(before, error);
    return { refused: error };
  }
  logNotes(next, log);
  const failures = await apply(next);
  log.info({ ...diffConfig(before, next) }, "configuration reloaded");
  const restart = needingRestart(started, next);
  if (restart.length > 0)
    log.warn({ restart }, `needs a restart: ${restart.join(", ")}; until then the process uses what it started with`);
  for (const { role, error } of failures)
    log.error({ role, err: error }, "the new configuration is in force, but this role could not apply all of it");
  await onEnd?.(next, failures[0]?.error ?? null);
  return next;
}

export function logNotes({ notes }: Config, log: Log): void {
  for (const { file, line, message } of notes) log.warn({ at: `${file}:${line}` }, message);
}

/** The sections that differ from what the process has opened, by their names in the file. */
export function needingRestart(started: Config, next: Config): string[] {
  return OPENED_ONCE.filter((section) => fingerprint(started[section]) !== fingerprint(next[section]));
}

function fingerprint(value: unknown): string {
  const text = JSON.stringify(value, function (this: Record<string, unknown>, key, shown: unknown) {
    const held = this[key];
    return held instanceof Secret ? createHash("sha256").update(held.reveal()).digest("hex") : shown;
  });
  return text ?? "";
}
