import { once } from "node:events";
import { createServer } from "node:net";
import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { RenewalError } from "../../src/domain/errors.ts";
import { Secret } from "../../src/domain/secret.ts";
import { checkRedis } from "../../src/queue/check.ts";
import { describeRedis, type RedisOptions } from "../../src/queue/options.ts";
import { startRedis } from "../support/servers/redis.ts";

const PASSWORD = "correct-horse-battery";

describe("options", () => {
  test.each<[RedisOptions, string]>([
    [{ kind: "single", url: `redis://ana:${PASSWORD}@queue.example:7000/3` }, "queue.example:7000"],
    [{ kind: "single", url: new Secret(`rediss://:${PASSWORD}@[::1]`) }, "::1:6379"],
    [{ kind: "single", url: "unix:///run/renewd/redis.sock" }, "/run/renewd/redis.sock"],
    [{ kind: "single", path: "/run/redis.sock", password: new Secret(PASSWORD) }, "/run/redis.sock"],
    [{ kind: "sentinel", name: "main", sentinels: [{ host: "a", port: 1 }] }, "main (Sentinels a:1)"],
    [{ kind: "cluster", nodes: [{ host: "a", port: 1 }] }, "a:1 (Cluster)"],
  ])("%o is described by its address alone", (redis, text) => {
    expect(describeRedis(redis)).toBe(text);
  });

  test.each([
    "",
    "localhost:6379",
    `http://:${PASSWORD}@host`,
    `redis://:${PASSWORD}@host/zero`,
    `redis://:${PASSWORD}@host:port`,
  ])("the URL %j is refused without repeating its password", (url) => {
    expect(() => describeRedis({ kind: "single", url })).toThrow(
      expect.objectContaining({ code: "config.invalid", message: expect.not.stringContaining(PASSWORD) }),
    );
  });
});

describe("the check at start", () => {
  test("accepts a Redis that keeps everything, by socket and by TCP", async () => {
    await using byPath = await startRedis();
    await using byPort = await startRedis({ listen: "tcp", password: PASSWORD });
    expect(await checkRedis({ kind: "single", path: byPath.path ?? "" })).toMatchObject({
      maxmemoryPolicy: "noeviction",
    });
    expect(await checkRedis({ kind: "single", url: byPort.url, password: new Secret(PASSWORD) })).toMatchObject({
      version: /^\d+\.\d+/,
    });
    expect(await checkRedis({ kind: "single", url: byPort.url.replace("//", `//:${PASSWORD}@`) })).toMatchObject({
      maxmemoryPolicy: "noeviction",
    });
  });

  test("refuses an evicting Redis", async () => {
    await using server = await startRedis({ policy: "allkeys-lru" });
    await expect(checkRedis({ kind: "single", url: server.url })).rejects.toMatchObject({
      code: "queue.misconfigured",
      message: `Redis at ${server.path} has maxmemory-policy allkeys-lru and would drop jobs when memory is short: set \`maxmemory-policy noeviction\``,
    });
  });

  test("learns the policy from INFO where CONFIG is denied", async () => {
    await using server = await startRedis({ policy: "volatile-ttl" });
    await server.command(
      "ACL",
      "SETUSER",
      "app",
      "on",
      `>${PASSWORD}`,
      "~{renewd}:*",
      "&*",
      "+@all",
      "-@admin",
      "-@dangerous",
      "+info",
    );
    const redis: RedisOptions = { kind: "single", url: server.url, username: "app", password: new Secret(PASSWORD) };
    await expect(checkRedis(redis)).rejects.toMatchObject({ code: "queue.misconfigured" });
    await server.command("CONFIG", "SET", "maxmemory-policy", "noeviction");
    expect(await checkRedis(redis)).toMatchObject({ maxmemoryPolicy: "noeviction" });
  });

  test("says within 2 s that nothing listens", async () => {
    const server = await startRedis({ listen: "tcp" });
    await server[Symbol.asyncDispose]();
    const started = performance.now();
    await expect(checkRedis({ kind: "single", url: server.url })).rejects.toMatchObject({
      code: "queue.unavailable",
      message: `Redis at 127.0.0.1:${server.port} is not reachable: connect ECONNREFUSED 127.0.0.1:${server.port}`,
    });
    expect(performance.now() - started).toBeLessThan(2_000);
  });

  test("says within 2 s that something listens but never answers", async () => {
    const mute = createServer((socket) => socket.on("error", () => undefined)).listen(0, "127.0.0.1");
    await once(mute, "listening");
    const address = mute.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const started = performance.now();
    await expect(checkRedis({ kind: "single", url: `redis://127.0.0.1:${port}` })).rejects.toMatchObject({
      code: "queue.unavailable",
      message: `Redis at 127.0.0.1:${port} is not reachable: no answer within 1500 ms`,
    });
    expect(performance.now() - started).toBeLessThan(2_000);
    mute.close();
  });

  test("ends at once when its caller gives up", async () => {
    const stop = AbortSignal.abort(new RenewalError("lease.lost", "given up"));
    await expect(checkRedis({ kind: "single", path: "/nonexistent/redis.sock" }, stop)).rejects.toMatchObject({
      code: "lease.lost",
    });
  });
});

describe("secrets", () => {
  test.each(["WRONGPASS", "NOAUTH"])(
    "an error for %s holds no password and no command, however deep one looks",
    async (problem) => {
      await using server = await startRedis({ password: "another" });
      const redis: RedisOptions = {
        kind: "single",
        url: server.url,
        ...(problem === "WRONGPASS" && { password: new Secret(PASSWORD) }),
      };
      const error = await checkRedis(redis).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: "queue.unavailable", message: expect.stringContaining(problem) });
      const everything = inspect(error, { depth: Number.POSITIVE_INFINITY, showHidden: true });
      expect(everything).not.toContain(PASSWORD);
      expect(everything).not.toMatch(/\bcommand: \{|\bargs\b/);
    },
  );
});
