import type { Telemetry } from "bullmq";
import { RenewalError } from "../domain/errors.ts";
import { isLoopback } from "../domain/loopback.ts";
import { Secret } from "../domain/secret.ts";

export interface RedisNode {
  readonly host: string;
  readonly port: number;
}

export interface RedisTls {
  /** PEM of the CAs to trust instead of the system's. */
  readonly ca?: string;
  /** PEM of the client certificate, for servers that ask for one. */
  readonly cert?: string;
  /** PEM of the client certificate's key. */
  readonly key?: Secret;
  /** Name to verify when it differs from the host that is dialled. */
  readonly servername?: string;
}

interface RedisAccess {
  readonly username?: string;
  readonly password?: Secret;
  readonly tls?: RedisTls;
  /**
   * Default `{renewd}`. The braces keep all keys in one slot of a Redis Cluster; several renewds share a Redis by
   * differing here.
   */
  readonly prefix?: string;
  /** See `startTracing`; left out: nothing is traced. */
  readonly telemetry?: Telemetry;
}

/**
 * Where the queue lives. A `url` is `redis://`, `rediss://` (TLS) or `unix:///path`; it may carry user, password and
 * database number.
 */
export type RedisOptions =
  | (RedisAccess & { readonly kind: "single"; readonly url: string | Secret })
  | (RedisAccess & { readonly kind: "single"; readonly path: string })
  | (RedisAccess & {
      readonly kind: "sentinel";
      readonly sentinels: readonly RedisNode[];
      /** The master group's name. */
      readonly name: string;
      readonly sentinelUsername?: string;
      readonly sentinelPassword?: Secret;
    })
  | (RedisAccess & { readonly kind: "cluster"; readonly nodes: readonly RedisNode[] });

const DEFAULT_PREFIX = "{renewd}";

export function prefixOf(redis: RedisOptions): string {
  return redis.prefix ?? DEFAULT_PREFIX;
}

export interface Address {
  readonly host?: string;
  readonly port?: number;
  readonly path?: string;
  readonly db?: number;
  readonly username?: string;
  readonly password?: string;
  readonly tls?: boolean;
}

/** Where a single Redis listens. Throws `config.invalid` without echoing the URL, which may hold a password. */
export function addressOf(redis: Extract<RedisOptions, { kind: "single" }>): Address {
  if ("path" in redis) return { path: redis.path };
  const text = redis.url instanceof Secret ? redis.url.reveal() : redis.url;
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !["redis:", "rediss:", "unix:"].includes(url.protocol)) {
    throw new RenewalError(
      "config.invalid",
      "The Redis URL is not valid: expected redis://host:port, rediss://host:port or unix:///path",
    );
  }
  const access = {
    ...(url.username !== "" && { username: decodeURIComponent(url.username) }),
    ...(url.password !== "" && { password: decodeURIComponent(url.password) }),
  };
  if (url.protocol === "unix:") return { ...access, path: decodeURIComponent(url.pathname) };
  const db = url.pathname.replace(/^\//, "");
  if (!/^\d{0,4}$/.test(db)) {
    throw new RenewalError(
      "config.invalid",
      `The Redis URL for ${url.host} is not valid: expected a database number after the slash`,
    );
  }
  return {
    ...access,
    // Node takes an IPv6 address without the brackets of a URL.
    host: url.hostname === "" ? "127.0.0.1" : url.hostname.replace(/^\[(.*)\]$/, "$1"),
    port: url.port === "" ? 6379 : Number(url.port),
    ...(db !== "" && { db: Number(db) }),
    ...(url.protocol === "rediss:" && { tls: true }),
  };
}

/** By name or address; an empty host is a unix socket. A container beside this one cannot be known. */
export function isThisMachine(host: string): boolean {
  return host === "" || isLoopback(host);
}

/** Where the first server of the queue runs; null: on this machine. */
export function remoteHostOf(redis: RedisOptions): string | null {
  const nodes =
    redis.kind === "cluster" ? redis.nodes : redis.kind === "sentinel" ? redis.sentinels : [addressOf(redis)];
  const host = nodes[0]?.host ?? "";
  return isThisMachine(host) ? null : host;
}

/** For messages: never holds user or password. */
export function describeRedis(redis: RedisOptions): string {
  const list = (nodes: readonly RedisNode[]): string => nodes.map((node) => `${node.host}:${node.port}`).join(", ");
  if (redis.kind === "sentinel") return `${redis.name} (Sentinels ${list(redis.sentinels)})`;
  if (redis.kind === "cluster") return `${list(redis.nodes)} (Cluster)`;
  const { path, host, port } = addressOf(redis);
  return path ?? `${host}:${port}`;
}

/** Every secret the options hold, so that errors can be searched for them. */
export function secretsOf(redis: RedisOptions): string[] {
  const secrets = [redis.password?.reveal(), redis.kind === "sentinel" ? redis.sentinelPassword?.reveal() : undefined];
  if (redis.kind === "single") secrets.push(addressOf(redis).password);
  // filter() does not narrow through `&&`.
  return secrets.filter((secret) => secret !== undefined && secret !== "") as string[];
}
