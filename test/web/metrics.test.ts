import { readFile } from "node:fs/promises";
import { StatementSync } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { NewEvent } from "../../src/domain/event.ts";
import { metricsLines } from "../../src/web/metrics/index.ts";
import { DAY_MS, endpointStatus, version } from "../support/model/facts.ts";
import { type RedisServer, startRedis } from "../support/servers/redis.ts";
import { dashboardQueries, ruleQueries } from "../support/system/metricQueries.ts";
import { createWebEstate, type WebEstate } from "../support/system/webEstate.ts";

const START = Date.now() - 30 * DAY_MS;
const END = Date.now() + 60 * DAY_MS;
const HOSTILE = 'CN=Evil"} 1\nx509_cert_not_after{certificate="www"} 1\u001b[2J';

let redis: RedisServer;
let estate: WebEstate;
let text: string;
beforeAll(async () => {
  redis = await startRedis({ listen: "tcp" });
  estate = await createWebEstate({ names: ["www", "api"], sections: { redis: { url: redis.url } } });
  const { store, installation } = estate;
  const leaf = { ...version().leaf, notBefore: START, notAfter: END, serial: "0A1B", issuerName: HOSTILE };
  await installation.issue(version({ certificate: "www", generation: 7, leaf, createdAt: START }));
  await store.deployments.want("www", ["lb"], 7);
  const fence = (await store.deployments.get("www", "lb"))?.fence ?? 0;
  await store.deployments.update("www", "lb", fence, { deployedGeneration: 7, deployedAt: START });
  const endpoint = "www.example.org@192.0.2.1:443";
  await store.observations.record(
    endpointStatus({ certificate: "www", endpoint, generation: 7, roundEndedAt: Date.now() }),
    [],
  );
  for (const [type, at] of [
    ["renewal.planned", START],
    ["issue.started", START + 2_000],
    ["version.issued", START + 12_000],
    ["deploy.succeeded", START + 13_000],
    ["renewal.succeeded", START + 43_000],
  ] as const)
    await store.events.append(event(type, at));
  const job = { kind: "issue", renewalId: "renewal-1", generation: 8, fence: 0, priority: 5 } as const;
  await estate.web.renewal.queue.enqueue([job]);
  text = await scrape();
});
afterAll(async () => {
  await estate[Symbol.asyncDispose]();
  await redis[Symbol.asyncDispose]();
});

function event(type: NewEvent["type"], at: number): NewEvent {
  return { at, type, certificate: "www", renewalId: "renewal-1", target: null, detail: {} };
}

async function scrape(): Promise<string> {
  const response = await estate.ask("/metrics");
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toContain("text/plain; version=0.0.4");
  return response.text();
}

/** The value of the one series that begins so. */
function numberOf(series: string, of = text): number {
  const lines = of.split("\n").filter((line) => line.startsWith(`${series} `));
  expect(lines, series).toHaveLength(1);
  return Number(lines[0]?.slice(series.length + 1));
}

describe("/metrics", () => {
  test("gives instants of each certificate, so that ages and ratios can be computed", () => {
    expect(numberOf('renewd_certificate_not_before_timestamp_seconds{certificate="www"}')).toBe(START / 1_000);
    expect(numberOf('renewd_certificate_not_after_timestamp_seconds{certificate="www"}')).toBe(END / 1_000);
    expect(numberOf('renewd_certificate_clients_until_timestamp_seconds{certificate="www"}')).toBe(END / 1_000);
    const renewal = numberOf('renewd_certificate_renewal_timestamp_seconds{certificate="www"}');
    expect(renewal).toBeGreaterThan(START / 1_000);
    expect(renewal).toBeLessThan(END / 1_000);
    expect(numberOf('renewd_certificate_proved_timestamp_seconds{certificate="www"}')).toBeCloseTo(
      Date.now() / 1_000,
      -2,
    );
  });

  test("gives the generation by stage, and no instant of what was never issued", () => {
    for (const stage of ["issued", "deployed", "observed"])
      expect(numberOf(`renewd_certificate_generation{certificate="www",stage="${stage}"}`)).toBe(7);
    expect(numberOf('renewd_certificate_generation{certificate="api",stage="issued"}')).toBe(0);
    expect(text).not.toContain('not_after_timestamp_seconds{certificate="api"}');
  });

  test("counts as the pages and status do", async () => {
    const status = JSON.parse((await estate.installation.run("status", "--json")).stdout);
    expect(numberOf('renewd_certificates{state="provedLive"}')).toBe(status.summary.provedLive);
    const states = [...text.matchAll(/^renewd_certificates\{state="\w+"\} (\d+)$/gm)].map(([, value]) => Number(value));
    expect(states.reduce((sum, value) => sum + value, 0)).toBe(status.summary.certificates);
    expect(numberOf("renewd_needs_person")).toBe(status.needsPerson ? 1 : 0);
  });

  test("has the series of x509-certificate-exporter, with its labels", () => {
    expect(text).toMatch(
      /^x509_cert_not_after\{certificate="www",subject_CN="www\.example\.org",issuer_CN="[^\n]*",serial_number="2587"\} \d/m,
    );
  });

  test("shows no control character, and no line, that a CA put into a name", () => {
    expect(text).not.toContain("\u001b");
    expect([...text.matchAll(/^x509_cert_not_after\{/gm)]).toHaveLength(1);
  });

  test("counts in the database what outlives restarts: results, and how long stages took", () => {
    expect(numberOf('renewd_renewals_total{result="succeeded"}')).toBe(1);
    expect(numberOf('renewd_renewals_total{result="failed"}')).toBe(0);
    expect(numberOf('renewd_renewal_stage_duration_seconds_bucket{stage="issuing",le="5"}')).toBe(0);
    expect(numberOf('renewd_renewal_stage_duration_seconds_bucket{stage="issuing",le="15"}')).toBe(1);
    expect(numberOf('renewd_renewal_stage_duration_seconds_sum{stage="waiting"}')).toBe(2);
    expect(numberOf('renewd_renewal_stage_duration_seconds_sum{stage="verifying"}')).toBe(30);
    expect(numberOf('renewd_renewal_stage_duration_seconds_count{stage="total"}')).toBe(1);
    expect(numberOf("renewd_metrics_events_pending")).toBe(0);
  });

  test("counts an event once, however often and by however many it is scraped", async () => {
    await estate.store.events.append(event("renewal.failed", Date.now()));
    const texts = await Promise.all([scrape(), scrape(), scrape()]);
    const last = await scrape();
    expect(numberOf('renewd_renewals_total{result="failed"}', last)).toBe(1);
    expect(numberOf('renewd_renewals_total{result="succeeded"}', texts[0])).toBe(1);
  });

  test("shows what waits in each queue, since when, and this process", () => {
    expect(numberOf("renewd_redis_up")).toBe(1);
    expect(numberOf('renewd_queue_jobs{queue="issue",state="waiting"}')).toBe(1);
    expect(numberOf('renewd_queue_jobs{queue="deploy",state="waiting"}')).toBe(0);
    const oldest = numberOf('renewd_queue_oldest_job_timestamp_seconds{queue="issue"}');
    expect(Math.abs(oldest - Date.now() / 1_000)).toBeLessThan(60);
    expect(text).toMatch(/^process_resident_memory_bytes \d/m);
  });

  test("counts what the name server was asked, over all processes", async () => {
    const { nameServerTotals } = estate.store;
    expect(numberOf("renewd_name_server_connections_closed_total")).toBe(0);
    const value = { transport: "udp", answer: "value" } as const;
    await nameServerTotals.add(
      [
        { ...value, count: 3 },
        { transport: "tcp", answer: "connection", count: 2 },
      ],
      1,
    );
    await nameServerTotals.add([{ ...value, count: 4 }], 2);
    expect(await nameServerTotals.list()).toContainEqual({ ...value, count: 7, lastAt: 2 });
    const asked = await scrape();
    expect(numberOf('renewd_name_server_queries_total{transport="udp",answer="value"}', asked)).toBe(7);
    expect(numberOf("renewd_name_server_connections_closed_total", asked)).toBe(2);
    const page = await (await estate.ask("/processes", { headers: { accept: "text/html" } })).text();
    expect(page.replaceAll(/\s+/g, " ")).toMatch(/a challenge&#39;s value<\/th> <td [^>]*>UDP<\/td> <td [^>]*>7</);
  });

  test("asks the database as many statements for thirty certificates as for one", async () => {
    const statements = async (names: readonly string[]): Promise<number> => {
      await using other = await createWebEstate({ names, sections: { redis: { url: redis.url } } });
      const spies = [vi.spyOn(StatementSync.prototype, "iterate"), vi.spyOn(StatementSync.prototype, "run")];
      // The first one, as nothing is read yet.
      await metricsLines(other.web, AbortSignal.timeout(5_000));
      const asked = spies.reduce((sum, spy) => sum + spy.mock.calls.length, 0);
      for (const spy of spies) spy.mockRestore();
      return asked;
    };
    const one = await statements(["www"]);
    expect(one).toBeGreaterThan(5);
    expect(one).toBeLessThan(50);
    expect(await statements(Array.from({ length: 30 }, (_, index) => `site-${index}`))).toBe(one);
  });

  test("says that Redis does not answer, and shows the rest", async () => {
    await redis.stop();
    const without = await scrape();
    expect(numberOf("renewd_redis_up", without)).toBe(0);
    expect(without).not.toMatch(/^renewd_queue_jobs\{/m);
    expect(numberOf('renewd_certificates{state="provedLive"}', without)).toBe(1);
  });

  test("holds no secret", async () => {
    const token = await estate.web.token();
    expect(text).not.toContain(token ?? "no token");
    expect(text).not.toContain("planted-private-key");
  });
});

describe("the dashboard and the rules below deploy/", () => {
  const NAME = /\b(?:renewd|x509|process|nodejs)_\w+/g;

  test("ask only for metrics that exist, and by values that their labels have", async () => {
    const types = new Set([...text.matchAll(/^# TYPE (\S+) /gm)].map(([, name]) => name));
    const unknown = (expr: string): string[] => {
      const names = expr.match(NAME) ?? [];
      const missing = names.filter(
        (name) => !types.has(name.replace(/_(?:bucket|sum|count)$/, "")) && !types.has(name),
      );
      const values = [...expr.matchAll(/\b(renewd_\w+)\{[^}]*?(\w+)="([^"$]+)"/g)]
        .filter(([, name = ""]) => text.includes(`\n${name}{`))
        .filter(([, name, label, value]) => !new RegExp(`^${name}\\{.*${label}="${value}"`, "m").test(text))
        .filter(([, , label]) => label !== "job");
      return [...missing, ...values.map(([matcher = ""]) => matcher)];
    };
    expect(unknown('renewd_no_such_metric > 0 and renewd_certificates{state="nonsense"} > 0')).toHaveLength(2);
    const queries = [...(await dashboardQueries()), ...(await ruleQueries())];
    expect(queries.length).toBeGreaterThan(30);
    expect(queries.filter(({ expr }) => unknown(expr).length > 0)).toEqual([]);
  });

  test("and every metric of renewd is documented", async () => {
    const reference = await readFile(new URL("../../docs/metrics.md", import.meta.url), "utf8");
    const own = [...text.matchAll(/^# HELP ((?:renewd|x509)_\S+) (.*)$/gm)];
    expect(own.length).toBeGreaterThan(40);
    for (const [, name, help] of own) expect(reference).toContain(`| \`${name}\` | ${help}`);
  });
});
