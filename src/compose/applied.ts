import { createHash } from "node:crypto";
import type { Config } from "../config/config.ts";
import type { AppliedConfiguration } from "../domain/applied.ts";
import { workerName } from "../domain/workerName.ts";
import { observedFrom } from "../renewal/rules/proofAge.ts";
import { usesOf } from "../reports/uses.ts";
import { packageVersion } from "./packageVersion.ts";
import type { ReloadableServices } from "./services.ts";

/**
 * Over all that decides how certificates are renewed and who is notified: equal on machines that differ in paths and
 * secrets only.
 */
export function configurationDigest(config: Config): string {
  const known = DIGESTS.get(config);
  if (known !== undefined) return known;
  const lines = config.certificates.map(({ name, digest }) => `${name} ${digest}`).sort();
  const { planner, verification, observation, rehearsal, retry, retention, notifications } = config;
  const channels = [...notifications].map(([name, { plugin }]) => `${name} ${plugin.type}`).sort();
  const settings = JSON.stringify([planner, verification, observation, rehearsal, retry, retention, channels]);
  const digest = createHash("sha256")
    .update([...lines, settings].join("\n"))
    .digest("hex");
  DIGESTS.set(config, digest);
  return digest;
}
const DIGESTS = new WeakMap<Config, string>();

/** What people are shown while the file cannot be read, and of a large fleet. Holds references to secrets, never a secret. */
export function appliedConfiguration(
  config: Config,
  { limits, reloads }: Pick<ReloadableServices, "limits" | "reloads">,
  before: AppliedConfiguration | null,
  appliedAt: number,
): AppliedConfiguration {
  const targets = [...config.targets.keys()];
  const limited = targets.map((target) => [target, limits(target)] as const);
  return {
    file: config.file,
    digest: configurationDigest(config),
    sourceDigest: config.sourceDigest,
    release: packageVersion,
    process: workerName(),
    appliedAt,
    ...observedFrom(before, config.observation.everyMs, appliedAt),
    certificates: config.certificates.length,
    uses: usesOf(config.certificates),
    agentTargets: [...config.targets].filter(([, { agent }]) => agent).map(([name]) => name),
    budgets: [...config.issuers.values()].map(({ budget }) => budget),
    limits: Object.fromEntries(limited.filter(([, each]) => Object.keys(each).length > 0)),
    reloads: targets.filter(reloads),
  };
}
