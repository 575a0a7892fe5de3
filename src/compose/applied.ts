import { createHash } from "node:crypto";
import type { Config } from "../config/config.ts";
import type { AppliedConfiguration } from "../domain/heartbeat.ts";
import { workerName } from "../domain/workerName.ts";

/** Over all that decides how certificates are renewed: equal on machines that differ in paths and secrets only. */
export function configurationDigest({ certificates }: Config): string {
  const known = DIGESTS.get(certificates);
  if (known !== undefined) return known;
  const lines = certificates.map(({ name, digest }) => `${name} ${digest}`).sort();
  const digest = createHash("sha256").update(lines.join("\n")).digest("hex");
  DIGESTS.set(certificates, digest);
  return digest;
}
const DIGESTS = new WeakMap<Config["certificates"], string>();

/** What people are shown while the file cannot be read. Holds references to secrets, never a secret. */
export function appliedConfiguration(config: Config, appliedAt: number): AppliedConfiguration {
  return {
    file: config.file,
    digest: configurationDigest(config),
    process: workerName(),
    appliedAt,
    observeMs: config.observation.everyMs,
    certificates: config.certificates,
    agentTargets: [...config.targets].filter(([, { agent }]) => agent).map(([name]) => name),
    budgets: [...config.issuers.values()].map(({ budget }) => budget),
  };
}
