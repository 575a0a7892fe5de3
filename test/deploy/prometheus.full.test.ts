// What is below deploy/prometheus and deploy/grafana, judged by Prometheus' own tool.
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { stringify } from "yaml";
import { version } from "../support/model/facts.ts";
import { startRedis } from "../support/servers/redis.ts";
import { dashboardQueries } from "../support/system/metricQueries.ts";
import { createWebEstate } from "../support/system/webEstate.ts";

const RULES = new URL("../../deploy/prometheus/", import.meta.url).pathname;
const execute = promisify(execFile);

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "renewd-prometheus-"));
});
afterAll(() => rm(directory, { recursive: true }));

const promtool = async (...args: string[]): Promise<string> => {
  const { stdout, stderr } = await execute("promtool", args, { cwd: RULES });
  return stdout + stderr;
};

test("Prometheus accepts the rules, and each alert fires when it should and not before", async () => {
  expect(await promtool("check", "rules", "renewd.rules.yaml")).toContain("14 rules found");
  expect(await promtool("test", "rules", "renewd.rules.test.yaml")).toContain("SUCCESS");
});

test("Prometheus accepts what the documentation says to scrape", async () => {
  expect(await promtool("check", "config", "--syntax-only", "scrape.yaml")).toContain("SUCCESS");
});

test("Prometheus can evaluate every query of the dashboard", async () => {
  const rules = (await dashboardQueries()).map(({ expr }, index) => ({ record: `panel:${index}`, expr }));
  const file = join(directory, "dashboard.yaml");
  await writeFile(file, stringify({ groups: [{ name: "dashboard", rules }] }));
  expect(await promtool("check", "rules", file)).toContain(`${rules.length} rules found`);
});

test("Prometheus finds no fault with the names and form of the metrics, whatever a CA put into them", async () => {
  await using redis = await startRedis({ listen: "tcp" });
  await using estate = await createWebEstate({ sections: { redis: { url: redis.url } } });
  const leaf = { ...version().leaf, issuerName: 'CN=Evil"} 1\n# HELP x' };
  await estate.installation.issue(version({ certificate: "www", leaf }));
  const text = await (await estate.ask("/metrics")).text();
  const checked = execute("promtool", ["check", "metrics"]);
  checked.child.stdin?.end(text);
  expect(await checked).toEqual({ stdout: "", stderr: "" });
});
