import { readFile } from "node:fs/promises";
import { parse } from "yaml";
import { z } from "zod";

const ROOT = new URL("../../../", import.meta.url);
const dashboardJson = z.object({
  panels: z.array(z.object({ title: z.string(), targets: z.array(z.object({ expr: z.string() })).default([]) })),
});
const rulesYaml = z.object({
  groups: z.array(
    z.object({
      rules: z.array(z.object({ expr: z.string(), alert: z.string().optional(), record: z.string().optional() })),
    }),
  ),
});

/** A query of the dashboard or of a rule, with what it is for. */
export interface MetricQuery {
  readonly where: string;
  readonly expr: string;
}

/** As Grafana sends them: its variables are filled in. */
export async function dashboardQueries(): Promise<MetricQuery[]> {
  const { panels } = dashboardJson.parse(
    JSON.parse(await readFile(new URL("deploy/grafana/renewd.json", ROOT), "utf8")),
  );
  return panels.flatMap(({ title, targets }) =>
    targets.map(({ expr }) => ({ where: `panel ${title}`, expr: expr.replaceAll("$job", ".+") })),
  );
}

export async function ruleQueries(): Promise<MetricQuery[]> {
  const { groups } = rulesYaml.parse(
    parse(await readFile(new URL("deploy/prometheus/renewd.rules.yaml", ROOT), "utf8")),
  );
  return groups.flatMap(({ rules }) =>
    rules.map(({ expr, alert, record }) => ({ where: `rule ${alert ?? record}`, expr })),
  );
}
