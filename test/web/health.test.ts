import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Heartbeat } from "../../src/domain/heartbeat.ts";
import { heartbeat } from "../support/model/facts.ts";
import { createWebEstate, WEB_ORIGIN, type WebEstate } from "../support/system/webEstate.ts";

let estate: WebEstate;
beforeAll(async () => {
  estate = await createWebEstate();
});
afterAll(() => estate[Symbol.asyncDispose]());
beforeEach(() => estate.store.health.forgetBeats({ before: Number.MAX_SAFE_INTEGER, after: Number.MAX_SAFE_INTEGER }));

const planner = (patch: Partial<Heartbeat> = {}): Heartbeat =>
  heartbeat({ role: "planner", beatAt: Date.now(), usefulAt: Date.now(), stoppedAt: null, problems: [], ...patch });
const ready = async (): Promise<{ status: number; failing: string[] }> => {
  const response = await estate.app.request(`${WEB_ORIGIN}/readyz`);
  const { checks } = (await response.json()) as { checks: { name: string; ok: boolean; reason: string }[] };
  return {
    status: response.status,
    failing: checks.flatMap(({ ok, name, reason }) => (ok ? [] : [`${name}: ${reason}`])),
  };
};

describe("/readyz", () => {
  test("is ready while a planner sweeps", async () => {
    await estate.store.health.beat([planner()]);
    expect(await ready()).toEqual({ status: 200, failing: [] });
  });

  test.each([
    ["no planner was ever started", null, "planner: no planner runs"],
    ["the planner stopped", planner({ stoppedAt: Date.now() }), "planner: no planner runs"],
    ["the planner has been silent", planner({ beatAt: Date.now() - 120_000 }), "planner: no planner runs"],
    ["sweeps have stopped", planner({ usefulAt: Date.now() - 360_000 }), "sweep: the last one ended 36\\d s ago"],
    [
      "Redis is away",
      planner({ problems: [{ kind: "redis", message: "secret-host:6379 refuses", action: "Start it.", since: 0 }] }),
      "queue: no planner reaches Redis",
    ],
  ])("is not when %s, and says so", async (_, beat, reason) => {
    if (beat !== null) await estate.store.health.beat([beat]);
    const { status, failing } = await ready();
    expect(status).toBe(503);
    expect(failing).toEqual([expect.stringMatching(new RegExp(`^${reason}$`))]);
  });
});

test("/readyz tells how long ago a planner swept, also one that has ended, for others to judge", async () => {
  const age = async () => {
    const response = await estate.app.request(`${WEB_ORIGIN}/readyz`);
    return ((await response.json()) as { sweepAgeSeconds: number | null }).sweepAgeSeconds;
  };
  expect(await age()).toBeNull();
  await estate.store.health.beat([planner({ usefulAt: Date.now() - 600_000, stoppedAt: Date.now() })]);
  expect(await age()).toBeGreaterThanOrEqual(600);
});

test("without the database /readyz says so, /healthz still answers, and everything else is 503", async () => {
  const other = await createWebEstate();
  await other.store.close();
  const ask = (path: string) =>
    other.app.request(`${WEB_ORIGIN}${path}`, { headers: { authorization: `Bearer ${other.token}` } });
  expect((await ask("/healthz")).status).toBe(200);
  const unready = await ask("/readyz");
  expect([unready.status, await unready.json()]).toEqual([
    503,
    {
      status: "notReady",
      checks: [{ name: "database", ok: false, reason: expect.stringMatching(/^it fails with /) }],
      sweepAgeSeconds: null,
    },
  ]);
  expect((await ask("/api/v1/certificates")).status).toBeGreaterThanOrEqual(500);
  await other.installation[Symbol.asyncDispose]();
});
