import type { CaBudget } from "./budget.ts";
import type { Certificate } from "./certificate.ts";
import type { TargetLimits } from "./deployer.ts";

/**
 * The configuration that the planner works by, without its certificates: what people are shown while the file cannot be
 * read, and of a large fleet while the file is as it was.
 */
export interface AppliedConfiguration extends ObservedEvery {
  readonly file: string;
  readonly digest: string;
  /** Over the files and the definitions in the database that it was loaded from. */
  readonly sourceDigest: string;
  /** Of renewd: another one may make something else of the same files. */
  readonly release: string;
  /** The process that applied it. */
  readonly process: string;
  /** ms since epoch. */
  readonly appliedAt: number;
  /** How many it has. */
  readonly certificates: number;
  readonly uses: Uses;
  /** Targets that only their own deployer deploys to. */
  readonly agentTargets: readonly string[];
  readonly budgets: readonly CaBudget[];
  /** By target, of those that have some. */
  readonly limits: Readonly<Record<string, TargetLimits>>;
  /** Targets whose servers are reloaded when a pair is deployed. */
  readonly reloads: readonly string[];
}

/** How often endpoints are looked at. */
export interface ObservedEvery {
  readonly observeMs: number;
  /** The longer interval of before, by which proofs are judged until this instant (ms since epoch). */
  readonly observedBefore: { readonly observeMs: number; readonly until: number } | null;
}

/** What these certificates need somebody for. */
export interface Uses {
  readonly certificates: number;
  readonly targets: readonly string[];
  /** Networks that endpoints must be dialled from. */
  readonly vantages: readonly string[];
  /** An endpoint may be dialled from anywhere. */
  readonly anywhere: boolean;
}

export interface AppliedPage {
  /** Only these; at most `NAMES_MAX`. Default: all. */
  readonly names?: readonly string[];
  /** Those whose names come after it. Default: from the first. */
  readonly after?: string;
  readonly limit: number;
  /** Only those in whose JSON this stands; no other is read. Default: all. */
  readonly holding?: string;
}

/** A row that is not among the certificates: somebody else wrote it, or it holds something else. */
export type LeftOut = (name: string, why: "altered" | "other") => void;

export interface AppliedStore {
  /** Writes what differs from the last one, in short transactions; `read` gives the new one once all of it is there. */
  record(configuration: AppliedConfiguration, certificates: readonly Certificate[]): Promise<void>;
  /** null: none was applied, or somebody else wrote it. */
  read(): Promise<AppliedConfiguration | null>;
  /** The names of all certificates of the last one, sorted. Their seals are not checked. */
  names(): Promise<string[]>;
  /** Certificates of the last one, sorted by name. With those that are left out they are `limit`, unless they are the last. */
  certificates(page: AppliedPage, onLeftOut?: LeftOut): Promise<Certificate[]>;
}
