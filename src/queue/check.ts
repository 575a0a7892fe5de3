import { Cluster, type Redis } from "ioredis";
import { RenewalError } from "../domain/errors.ts";
import { connectProducer } from "./connection.ts";
import { describeRedis, type RedisOptions, remoteHostOf } from "./options.ts";

export interface RedisFacts {
  readonly version: string;
  /** Null when neither CONFIG nor INFO may be read: the caller should warn that nobody checked it. */
  readonly maxmemoryPolicy: string | null;
  /** Whether each write goes to its append-only file; null: INFO does not say so. */
  readonly appendsToFile: boolean | null;
  /** What its last write to disk ended with, if not `ok`; null: nothing is wrong. */
  readonly diskProblem: string | null;
}

/**
 * To be called before any worker starts. Throws `queue.unavailable` within 2 s, or after `timeoutMs`, when Redis cannot
 * be reached, `queue.misconfigured` when it would lose jobs.
 */
export async function checkRedis(redis: RedisOptions, signal?: AbortSignal, timeoutMs?: number): Promise<RedisFacts> {
  const connection = connectProducer(redis);
  try {
    return await connection.run(
      async () => {
        const { client } = connection;
        await client.ping();
        const servers = client instanceof Cluster ? client.nodes("master") : [client];
        const facts = await Promise.all(servers.map(factsOf));
        for (const each of facts) refuseUnfit(each, describeRedis(redis));
        return facts[0] ?? { version: "unknown", maxmemoryPolicy: null, appendsToFile: null, diskProblem: null };
      },
      signal,
      timeoutMs,
    );
  } finally {
    connection.disconnect();
  }
}

/**
 * How far the clock of Redis is ahead of `now`; null: Redis is on this machine. Throws `queue.unavailable` within 2 s.
 */
export async function redisTime(
  redis: RedisOptions,
  now: () => number,
): Promise<{ readonly host: string; readonly aheadMs: number } | null> {
  const host = remoteHostOf(redis);
  if (host === null) return null;
  const connection = connectProducer(redis);
  try {
    const [seconds, micros] = await connection.run(() => connection.client.time());
    return { host, aheadMs: Number(seconds) * 1_000 + Number(micros) / 1_000 - now() };
  } finally {
    connection.disconnect();
  }
}

/** Throws `queue.unavailable` within 2 s when Redis does not answer. */
export async function pingRedis(redis: RedisOptions): Promise<void> {
  await using pings = redisPings(redis);
  await pings.ping();
}

/** `pingRedis` again and again, over one connection: to make one costs both sides more than all else. */
export function redisPings(redis: RedisOptions): AsyncDisposable & { ping(): Promise<void> } {
  const connection = connectProducer(redis);
  return {
    async ping() {
      await connection.run(() => connection.client.ping());
    },
    async [Symbol.asyncDispose]() {
      connection.disconnect();
    },
  };
}

function refuseUnfit({ version, maxmemoryPolicy }: RedisFacts, where: string): void {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major < 6 || (major === 6 && minor < 2)) {
    throw new RenewalError("queue.misconfigured", `Redis at ${where} is version ${version}: renewd needs 6.2 or newer`);
  }
  if (maxmemoryPolicy !== null && maxmemoryPolicy !== "noeviction") {
    throw new RenewalError(
      "queue.misconfigured",
      `Redis at ${where} has maxmemory-policy ${maxmemoryPolicy} and would drop jobs when memory is short: set ` +
        `\`maxmemory-policy noeviction\``,
    );
  }
}

async function factsOf(client: Redis): Promise<RedisFacts> {
  const info = await client.info("server");
  const persistence = await client.info("persistence");
  const aof = field(persistence, "aof_enabled");
  const writes = ["aof_last_write_status", "rdb_last_bgsave_status"].find(
    (name) => (field(persistence, name) ?? "ok") !== "ok",
  );
  return {
    version: field(info, "redis_version") ?? "unknown",
    maxmemoryPolicy: await maxmemoryPolicy(client),
    appendsToFile: aof === null ? null : aof === "1",
    diskProblem: writes === undefined ? null : `${writes} is ${field(persistence, writes)}`,
  };
}

/** Managed services and ACLs without @admin deny CONFIG; INFO has the same value. */
async function maxmemoryPolicy(client: Redis): Promise<string | null> {
  try {
    const reply: unknown = await client.config("GET", "maxmemory-policy");
    if (Array.isArray(reply) && typeof reply[1] === "string") return reply[1];
  } catch {
    // Denied: ask INFO.
  }
  return field(await client.info("memory"), "maxmemory_policy");
}

function field(info: string, name: string): string | null {
  const line = info.split(/\r?\n/).find((each) => each.startsWith(`${name}:`));
  return line?.slice(name.length + 1) ?? null;
}
