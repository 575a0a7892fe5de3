import type { ConnectionOptions as TlsOptions } from "node:tls";
import { type RedisOptions as AllClientOptions, Cluster, Redis } from "ioredis";
import { raceAbort } from "../domain/abort.ts";
import { isReply, silence, unavailable } from "./failure.ts";
import { addressOf, type RedisNode, type RedisOptions } from "./options.ts";

/** Without the option that would change the type of every reply. */
type ClientOptions = Omit<AllClientOptions, "replyMapping">;

/** Producers answer within 2 s, Redis or no Redis; the rest is for a busy machine. */
const PRODUCER_TIMEOUT_MS = 1_500;

export interface RedisConnection {
  readonly client: Redis | Cluster;
  /**
   * Runs commands once Redis is ready. Throws `queue.unavailable` after `timeoutMs` (default 1.5 s) in all;
   * a command already sent may still take effect, so it must be harmless when it does.
   */
  run<T>(work: () => Promise<T>, signal?: AbortSignal, timeoutMs?: number): Promise<T>;
  /** Ends this connection and all that BullMQ duplicated from it, now, without waiting for Redis. */
  disconnect(): void;
}

/** For adding and asking: gives up quickly and says why. */
export function connectProducer(redis: RedisOptions): RedisConnection {
  return connect(redis, {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 1,
    connectTimeout: 1_200,
    retryStrategy: (times) => Math.min(times * 50, 500),
  });
}

/**
 * For workers: never gives up, and is back within a second of Redis (ioredis' own back-off made resumption take 18 s).
 */
export function connectWorker(redis: RedisOptions): RedisConnection {
  return connect(redis, {
    maxRetriesPerRequest: null,
    connectTimeout: 3_000,
    retryStrategy: (times) => Math.min(times * 100, 1_000),
    // A black-holed connection looks idle; only silence after a command betrays it. BullMQ blocks for 10 s at most.
    socketTimeout: 15_000,
  });
}

function connect(redis: RedisOptions, role: ClientOptions): RedisConnection {
  let lastError: unknown = null;
  const clients: (Redis | Cluster)[] = [];
  const watch = <Client extends Redis | Cluster>(client: Client): Client => {
    clients.push(client);
    client.on("error", (error: unknown) => {
      lastError = error;
    });
    client.on("ready", () => {
      lastError = null;
    });
    return client;
  };
  const client = watch(createClient(redis, role));
  // BullMQ duplicates a worker's connection for its blocking command and cannot close it while Redis is away: keep hold
  // of it.
  if (client instanceof Cluster) {
    const duplicate = client.duplicate.bind(client);
    client.duplicate = (...options) => watch(duplicate(...options));
  } else {
    const duplicate = client.duplicate.bind(client);
    client.duplicate = (...options) => watch(duplicate(...options));
  }

  return {
    client,
    async run(work, signal, timeoutMs = PRODUCER_TIMEOUT_MS) {
      const timeout = AbortSignal.timeout(timeoutMs);
      const stop = signal === undefined ? timeout : AbortSignal.any([timeout, signal]);
      stop.throwIfAborted();
      try {
        await untilReady(client, stop);
        return await raceAbort(stop, work);
      } catch (error) {
        signal?.throwIfAborted();
        // The connection knows the reason ("connect ECONNREFUSED …"); the command only knows that it was given up.
        throw unavailable(
          isReply(error) ? error : (lastError ?? (timeout.aborted ? silence(timeoutMs) : error)),
          redis,
        );
      }
    },
    disconnect() {
      for (const each of clients) each.disconnect();
    },
  };
}

function untilReady(client: Redis | Cluster, signal: AbortSignal): Promise<void> {
  if (client.status === "ready") return Promise.resolve();
  const { promise, resolve } = Promise.withResolvers<void>();
  client.once("ready", resolve);
  return raceAbort(signal, () => promise).finally(() => client.off("ready", resolve));
}

function createClient(redis: RedisOptions, role: ClientOptions): Redis | Cluster {
  const options: ClientOptions = {
    ...role,
    ...(redis.username !== undefined && { username: redis.username }),
    ...(redis.password !== undefined && { password: redis.password.reveal() }),
    ...(redis.tls !== undefined && { tls: tlsOf(redis) }),
    // A demoted master answers READONLY: connect again (to the new master) and send the command again. The first word
    // is Redis' error code.
    reconnectOnError: (error) => (error.message.startsWith("READONLY") ? 2 : false),
  };
  const nodes = (list: readonly RedisNode[]) => list.map(({ host, port }) => ({ host, port }));
  switch (redis.kind) {
    case "single": {
      const { tls, ...address } = addressOf(redis);
      return new Redis({ ...address, ...options, ...(tls === true && { tls: tlsOf(redis) }) });
    }
    case "sentinel":
      return new Redis({
        ...options,
        sentinels: nodes(redis.sentinels),
        name: redis.name,
        sentinelRetryStrategy: (times) => Math.min(times * 100, 1_000),
        sentinelCommandTimeout: 1_500,
        ...(redis.sentinelUsername !== undefined && { sentinelUsername: redis.sentinelUsername }),
        ...(redis.sentinelPassword !== undefined && { sentinelPassword: redis.sentinelPassword.reveal() }),
        ...(redis.tls !== undefined && { enableTLSForSentinelMode: true, sentinelTLS: tlsOf(redis) }),
      });
    case "cluster": {
      const { retryStrategy: _, enableOfflineQueue, ...redisOptions } = options;
      return new Cluster(nodes(redis.nodes), {
        redisOptions,
        ...(enableOfflineQueue !== undefined && { enableOfflineQueue }),
        clusterRetryStrategy: (times) => Math.min(times * 100, 1_000),
        slotsRefreshTimeout: 1_500,
      });
    }
  }
}

function tlsOf({ tls }: RedisOptions): TlsOptions {
  return {
    ...(tls?.ca !== undefined && { ca: tls.ca }),
    ...(tls?.cert !== undefined && { cert: tls.cert }),
    ...(tls?.key !== undefined && { key: tls.key.reveal() }),
    ...(tls?.servername !== undefined && { servername: tls.servername }),
  };
}
