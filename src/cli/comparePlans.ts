import { dirname } from "node:path";
import { loadConfigOrExplain } from "../compose/index.ts";
import type { Config } from "../config/config.ts";
import { unlimited } from "../domain/budget.ts";
import { narrowed } from "../renewal/rules/compatibility.ts";
import { type ConfigurationFacts, type PlanAgainstReport, planAgainst } from "../reports/planAgainst.ts";

/** Two files and nothing else, so that it can run on any machine, such as that of a pull request's checks. */
export async function comparePlans(before: string, after: string): Promise<PlanAgainstReport> {
  // The old file may be anywhere, such as in /tmp: its paths mean what they mean beside the new one.
  return planAgainst(await factsOf(before, dirname(after)), await factsOf(after));
}

async function factsOf(file: string, directory?: string): Promise<ConfigurationFacts & { readonly file: string }> {
  const config = await loadConfigOrExplain(file, { secrets: "unread", ...(directory !== undefined && { directory }) });
  return {
    file,
    certificates: config.certificates,
    budget: (issuer) => config.issuers.get(issuer)?.budget ?? unlimited(issuer),
    limits(name) {
      const target = config.targets.get(name);
      return target === undefined ? {} : narrowed(target.plugin.limits?.(target.options) ?? {}, target.takes);
    },
    sections: sectionsOf(config),
  };
}

/** Only compared, never shown. */
function sectionsOf(config: Config): Map<string, string> {
  const { issuers, solvers, targets, notifications, certificates: _c, notes: _n, ...rest } = config;
  const { file: _f, storedRevision: _r, sourceDigest: _d, ...others } = rest;
  const plugins = (entries: Config["solvers"] | Config["targets"] | Config["notifications"]): string =>
    JSON.stringify([...entries.values()].map(({ plugin: _, ...written }) => written));
  return new Map([
    ["issuers", JSON.stringify([...issuers.values()])],
    ["solvers", plugins(solvers)],
    ["targets", plugins(targets)],
    ["notifications", plugins(notifications)],
    ...Object.entries(others).map(([section, value]) => [section, JSON.stringify(value)] as const),
  ]);
}
