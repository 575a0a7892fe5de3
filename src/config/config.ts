import type { AlertSettings } from "../domain/alertSettings.ts";
import type { CaBudget } from "../domain/budget.ts";
import type { Certificate, KeyType } from "../domain/certificate.ts";
import type { TargetLimits } from "../domain/deployer.ts";
import type { UndialablePolicy } from "../domain/endpoint.ts";
import type { HttpreqClient } from "../domain/httpreqClient.ts";
import type { Identifier } from "../domain/identifier.ts";
import type { Concern, Severity } from "../domain/notification.ts";
import type { Responsibility } from "../domain/responsibility.ts";
import type { Secret } from "../domain/secret.ts";
import type { SecretReference } from "../domain/secretReference.ts";
import type { WatchDefinition } from "../domain/watched.ts";
import type { WeeklyReportSettings } from "../domain/weeklyReport.ts";
import type { ConfigProblem } from "./read/problems.ts";
import type { DiscoverySection } from "./schema/discovery.ts";
import type { HostAndPort } from "./schema/endpoints.ts";
import type { ChannelPlugin, DeployerPlugin, SolverPlugin } from "./schema/registries.ts";

/**
 * A checked configuration: every reference resolved, every path absolute, every secret read that each process needs.
 */
export interface Config {
  /** Where it came from. */
  readonly file: string;
  readonly dataDir: string;
  /** `file` may not exist yet: the vault makes it. */
  readonly masterKey: { readonly file: string } | { readonly key: Secret };
  readonly store:
    | { readonly kind: "sqlite"; readonly file: string }
    | { readonly kind: "postgresql"; readonly url: Secret };
  /** null: a private redis-server in `dataDir`. */
  readonly redis: RedisConfig | null;
  readonly http01: HostAndPort;
  readonly tlsAlpn01: HostAndPort;
  readonly dnsServer: { readonly hosts: readonly string[]; readonly port: number };
  readonly web: WebConfig;
  /** null: off. */
  readonly tracing: TracingConfig | null;
  readonly planner: { readonly tickMs: number; readonly sweepMs: number; readonly batch: number };
  /** Concurrency per process. */
  readonly workers: { readonly issue: number; readonly deploy: number; readonly verify: number };
  readonly observation: { readonly everyMs: number; readonly connections: number };
  readonly retention: { readonly historyMs: number; readonly keysMs: number };
  readonly verification: {
    readonly connections: number;
    readonly spreadMs: number;
    readonly undialable: UndialablePolicy;
    /** Whether managed chains must lead to a trusted root. */
    readonly trusted: boolean;
    /** Roots that are trusted besides the system's; null: none. */
    readonly trustPem: string | null;
  };
  readonly discovery: DiscoveryConfig;
  /** Networks that endpoints are dialled from; empty: they have no names. */
  readonly vantages: readonly string[];
  /** The one that verifiers of this file dial from, unless they were started for another; null: none. */
  readonly vantage: string | null;
  /** In the order of the file. */
  readonly watched: readonly WatchDefinition[];
  /** null: never by itself. */
  readonly rehearsal: { readonly everyMs: number | null };
  readonly retry: {
    readonly issueAttempts: number;
    readonly deployAttempts: number;
    readonly backoffMs: readonly number[];
  };
  readonly log: { readonly level: "debug" | "info" | "warn" | "error" };
  readonly issuers: ReadonlyMap<string, IssuerConfig>;
  readonly solvers: ReadonlyMap<string, SolverConfig>;
  readonly targets: ReadonlyMap<string, TargetConfig>;
  readonly notifications: ReadonlyMap<string, ChannelConfig>;
  readonly alerts: Omit<AlertSettings, "webUrl" | "version">;
  readonly horizon: HorizonConfig;
  /** null: none. */
  readonly heartbeat: HeartbeatConfig | null;
  /** In the order of the file. */
  readonly peers: readonly PeerConfig[];
  /** The weekly report as mail; null: none. */
  readonly report: WeeklyReportSettings | null;
  /** In the order of the file; then those that the database defines. */
  readonly certificates: readonly Certificate[];
  /** Of the definitions in the database. */
  readonly storedRevision: number;
  /** Over the files and that revision. */
  readonly sourceDigest: string;
  /** What still works but should be written in another way. */
  readonly notes: readonly ConfigProblem[];
}

/** As written, with absolute paths and durations in ms. */
export interface DiscoveryConfig extends Omit<DiscoverySection, "every" | "expiring" | "timeout"> {
  /** null: never by itself. */
  readonly everyMs: number | null;
  readonly expiringMs: number;
  readonly timeoutMs: number;
}

/** Ends beside those of certificates. */
export interface HorizonConfig {
  readonly declared: readonly {
    readonly name: string;
    /** ms since epoch. */
    readonly endsAt: number;
    readonly owner: string | null;
    readonly runbook: string | null;
  }[];
  /** URL of a bootstrap file (RFC 9224); null: registries are not asked. */
  readonly rdap: string | null;
  readonly signatures: boolean;
}

export interface HeartbeatConfig {
  readonly url: SecretReference;
  readonly everyMs: number;
  readonly style: "healthchecks" | "plain";
}

/** Another renewd that this one watches. */
export interface PeerConfig {
  readonly name: string;
  /** Without a slash at its end. */
  readonly url: string;
  readonly everyMs: number;
  readonly sweepMaxMs: number;
  /** null: what the system trusts. */
  readonly trustPem: string | null;
  readonly token: SecretReference | null;
}

export interface WebConfig {
  /** Whether `renewd run` has the role. */
  readonly enabled: boolean;
  readonly host: string;
  /** null: the usual one, or the next that is free. */
  readonly port: number | null;
  /** Where people reach it, without a slash at its end; null: where it listens. */
  readonly url: string | null;
  readonly tls: { readonly certificate: string; readonly key: string } | null;
  readonly metrics: { readonly withoutToken: boolean };
  /** By user name; empty: nobody publishes through renewd. */
  readonly httpreq: ReadonlyMap<string, HttpreqClient>;
}

export interface TracingConfig {
  readonly url: string;
  readonly headers: Readonly<Record<string, Secret>>;
  /** Of all traces, 0 to 1. */
  readonly ratio: number;
}

interface RedisAccess {
  readonly username?: string;
  readonly password?: Secret;
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: Secret };
  readonly prefix: string;
}

export type RedisConfig =
  | (RedisAccess & { readonly kind: "single"; readonly url: string })
  | (RedisAccess & { readonly kind: "single"; readonly path: string })
  | (RedisAccess & {
      readonly kind: "sentinel";
      readonly sentinels: readonly HostAndPort[];
      readonly name: string;
      readonly sentinelUsername?: string;
      readonly sentinelPassword?: Secret;
    })
  | (RedisAccess & { readonly kind: "cluster"; readonly nodes: readonly HostAndPort[] });

export interface IssuerConfig {
  readonly name: string;
  readonly directory: string;
  /** `mailto:` URLs. */
  readonly contact: readonly string[];
  readonly termsOfServiceAgreed: true;
  /** CAs trusted for the directory's own TLS certificate; null: those of the system and of Node. */
  readonly trustPem: string | null;
  /** http URL of host and port; null: none. */
  readonly proxy: string | null;
  /** Its key is needed once, to register the account, and may be removed then: it is read only when it is needed. */
  readonly externalAccount: { readonly keyId: string; readonly hmacKey: SecretReference } | null;
  readonly budget: CaBudget;
  readonly staging: string | null;
  readonly distrusted: boolean;
  /** null: as its directory. */
  readonly privateAddresses: boolean | null;
  /** null: every key type that renewd can generate. */
  readonly keyTypes: readonly KeyType[] | null;
  readonly identifierTypes: readonly Identifier["type"][] | null;
  readonly requestTimeoutMs: number;
  readonly orderTimeoutMs: number;
}

export interface SolverConfig extends PluginConfig<SolverPlugin> {
  /** It answers for names in these zones only; empty: for all. */
  readonly zones: readonly string[];
}

export interface TargetConfig extends PluginConfig<DeployerPlugin> {
  /** Whether clients meet the pair there, so that an endpoint can prove it. */
  readonly served: boolean;
  /** Only a worker started for it deploys there. */
  readonly agent: boolean;
  /** Beyond what its kind is known to be limited in. */
  readonly takes: TargetLimits;
  readonly responsibility: Responsibility;
}

export interface ChannelConfig extends PluginConfig<ChannelPlugin> {
  readonly from: Severity;
  /** Whose troubles it is sent; null: everybody's. */
  readonly about: Concern | null;
}

export interface PluginConfig<Kind> {
  readonly name: string;
  readonly type: string;
  /** What `plugin.options` made of the file: fit for this very plugin's `create` and `occupies`. */
  readonly options: unknown;
  readonly plugin: Kind;
}
