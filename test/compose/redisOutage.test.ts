import { expect, it } from "vitest";
import { logRedisOutageOnce } from "../../src/compose/redisOutage.ts";
import { raceAbort } from "../../src/domain/abort.ts";
import { RenewalError } from "../../src/domain/errors.ts";
import { until } from "../support/until.ts";

function fixture() {
  const lines: string[] = [];
  const write = (level: string) => (_fields: object, message: string) => void lines.push(`${level} ${message}`);
  const target = { debug: write("debug"), info: write("info"), warn: write("warn"), error: write("error") };
  const sleepers: (() => void)[] = [];
  const sleep = (_durationMs: number, signal: AbortSignal) =>
    raceAbort(signal, () => new Promise<void>((resolve) => sleepers.push(resolve)));
  const redis = { isUp: false, pings: 0 };
  const stop = new AbortController();
  const log = logRedisOutageOnce({
    log: target,
    clock: { monotonic: () => performance.now(), sleep },
    async ping() {
      redis.pings += 1;
      if (!redis.isUp) throw away();
    },
    signal: stop.signal,
  });
  const second = async (): Promise<void> => {
    const before = redis.pings;
    (await until("the next sleep", async () => sleepers.shift() ?? null))();
    await until("the ping", async () => (redis.pings > before ? true : null));
  };
  return { lines, log, redis, second, stop };
}

const away = () => new RenewalError("queue.unavailable", "Redis at a:1 is not reachable", { cause: new Error("gone") });
const refused = () =>
  new RenewalError("queue.unavailable", "Redis at a:1 refused the command", {
    cause: Object.assign(new Error("OOM"), { name: "ReplyError" }),
  });

it("an absence of Redis that every part reports is one warning, and one line when it is back", async () => {
  const { lines, log, redis, second } = fixture();
  for (const role of ["planner", "acme", "deployer"]) log.error({ role, err: away() }, "job failed");
  await second();
  log.warn({ err: away() }, "not enqueued");
  redis.isUp = true;
  await second();
  log.error({ err: away() }, "one connection noticed late");
  await second();
  expect(lines).toEqual([expect.stringMatching(/^warn Redis is away/)]);
  await second();
  await until("the line that it is back", async () => lines[1] ?? null);
  expect(lines.slice(1)).toEqual(["info Redis is back"]);
  log.error({ err: away() }, "job failed");
  expect(lines[2]).toMatch(/^warn Redis is away/);
});

it("one that goes away again before it has answered for a while is the same absence", async () => {
  const { lines, log, redis, second, stop } = fixture();
  log.error({ err: away() }, "job failed");
  for (const isUp of [true, true, false, true, true]) {
    redis.isUp = isUp;
    await second();
  }
  expect(lines).toHaveLength(1);
  stop.abort(new Error("stopping"));
});

it("a Redis that answers and refuses, and all other lines, are logged as they are", () => {
  const { lines, log } = fixture();
  const lost = new Error("Missing lock for job 7. moveToFinished");
  log.error({ err: refused() }, "job failed");
  log.error({ err: new RenewalError("queue.unavailable", "The queue reports: …", { cause: lost }) }, "job failed");
  log.warn({ err: new RenewalError("store.unavailable", "away") }, "other");
  log.info({}, "running");
  expect(lines).toEqual(["error job failed", "error job failed", "warn other", "info running"]);
});
