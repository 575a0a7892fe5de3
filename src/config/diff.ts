import type { Config } from "./config.ts";

export interface ConfigDiff {
  readonly added: readonly string[];
  readonly removed: readonly string[];
  /** The certificate itself, or the issuer, solver or a target it names. */
  readonly changed: readonly string[];
}

/** What a reload does to certificates, for the log. */
export function diffConfig(before: Config, after: Config): ConfigDiff {
  const old = new Map(before.certificates.map(({ name, digest }) => [name, digest]));
  const names = new Set(after.certificates.map(({ name }) => name));
  return {
    added: [...names].filter((name) => !old.has(name)),
    removed: [...old.keys()].filter((name) => !names.has(name)),
    changed: after.certificates
      .filter(({ name, digest }) => old.has(name) && old.get(name) !== digest)
      .map(({ name }) => name),
  };
}
