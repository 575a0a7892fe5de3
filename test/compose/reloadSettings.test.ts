// What a reload applies, what it names, and what it says when something fails late.
import { writeFile } from "node:fs/promises";
import { expect, it, onTestFinished } from "vitest";
import { appOf, redisOf } from "../../src/compose/app.ts";
import { loadConfigOrExplain, readerOf } from "../../src/compose/reader.ts";
import { needingRestart, reloader } from "../../src/compose/reload.ts";
import type { Config } from "../../src/config/config.ts";
import { RenewalError } from "../../src/domain/errors.ts";
import type { Log, LogFields } from "../../src/domain/log.ts";
import { until } from "../support/until.ts";
import { configured } from "./configured.ts";

const silent: Log = { debug() {}, info() {}, warn() {}, error() {} };

/** Loads the file, changes it, loads it again. */
async function twoConfigs(change: object): Promise<{ before: Config; after: Config; configFile: string }> {
  let file = {};
  const { configFile } = await configured((initial) => {
    file = initial;
    return initial;
  });
  const before = await loadConfigOrExplain(configFile);
  await writeFile(configFile, JSON.stringify({ ...file, ...change }));
  return { before, after: await loadConfigOrExplain(configFile), configFile };
}

it("retry, observation, rehearsal, verification, retention and planner are in force after a reload", async () => {
  const { before, after } = await twoConfigs({
    retry: { issueAttempts: 9, deployAttempts: 8, backoff: ["7m"] },
    observation: { every: "3m" },
    rehearsal: { every: "5d" },
    verification: { connections: 3, spread: "2s" },
    retention: { history: "31d", keys: "2h" },
    planner: { tick: "2s", sweep: "700ms", batch: 77 },
  });
  const reader = await readerOf(before);
  const app = appOf(reader, redisOf(before), silent, false);
  onTestFinished(() => app.close());
  // A worker holds a context of its own, made before the reload.
  const { settings } = { ...app.context };
  app.replace(after);
  expect(settings).toMatchObject({
    issueAttemptsMax: 9,
    deployAttemptsMax: 8,
    backoffMs: [420_000],
    observeMs: 180_000,
    rehearseMs: 432_000_000,
    proof: { connections: 3, spreadMs: 2_000 },
    retention: { historyMs: 2_678_400_000, keysMs: 7_200_000 },
    batch: 77,
    requeueMs: 700,
  });
});

it("what a process opens once is named, and a changed password is a change", async () => {
  process.env.RENEWD_TEST_REDIS = "one";
  onTestFinished(() => void delete process.env.RENEWD_TEST_REDIS);
  const redis = { url: "redis://127.0.0.1:1", password: "env:RENEWD_TEST_REDIS" };
  const { before, after, configFile } = await twoConfigs({ redis, dataDir: "elsewhere" });
  expect(needingRestart(before, after)).toEqual(["dataDir", "masterKey", "store", "redis"]);
  expect(needingRestart(after, await loadConfigOrExplain(configFile))).toEqual([]);
  process.env.RENEWD_TEST_REDIS = "two";
  expect(needingRestart(after, await loadConfigOrExplain(configFile))).toEqual(["redis"]);
});

it("a failure after the new configuration is in force is not called a failed reload", async () => {
  const { before, after } = await twoConfigs({ dataDir: "elsewhere" });
  const lines: [message: string, fields: LogFields][] = [];
  const write = (fields: LogFields, message: string): void => void lines.push([message, fields]);
  const log: Log = { debug: write, info: write, warn: write, error: write };
  const replaced: Config[] = [];
  let loads = 0;
  const { reload } = reloader({
    started: before,
    log,
    async load() {
      loads += 1;
      if (loads === 1) throw new RenewalError("config.invalid", "line 3");
      return after;
    },
    replace: (next) => void replaced.push(next),
    apply: async () => [{ role: "acme", error: new RenewalError("internal.bug", "port 80 is taken") }],
  });
  reload();
  reload();
  await until("both reloads", async () => (lines.some(([text]) => text.includes("could not apply")) ? true : null));
  expect(lines.map(([text]) => text)).toEqual([
    "configuration not reloaded; the old one stays in force",
    "configuration reloaded",
    expect.stringContaining("needs a restart: dataDir, masterKey, store;"),
    "the new configuration is in force, but this role could not apply all of it",
  ]);
  expect(replaced).toEqual([after]);
});
