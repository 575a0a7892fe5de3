import type { Deployment } from "../../domain/deployment.ts";
import { DRILL_STAGES, type Drill, type DrillMember, type DrillStage } from "../../domain/drill.ts";
import type { Renewal } from "../../domain/renewal.ts";
import type { Version } from "../../domain/version.ts";

export interface DrillFacts {
  readonly startedAt: number;
  /** The renewals of the certificate. */
  readonly renewals: readonly Pick<Renewal, "generation" | "createdAt">[];
  readonly versions: readonly Pick<Version, "generation" | "createdAt" | "verifiedAt">[];
  /** Of the certificate's configured targets, with those that have no row yet missing. */
  readonly deployments: readonly Pick<Deployment, "deployedGeneration" | "deployedAt">[];
  /** How many are configured. */
  readonly targets: number;
}

/** The member with the stages that it has reached since; an instant that is known stays. Pure. */
export function measured(member: DrillMember, facts: DrillFacts): DrillMember {
  const { startedAt, renewals, versions, deployments, targets } = facts;
  const isNew = ({ generation }: { readonly generation: number }): boolean => generation > member.generation;
  const later = versions.filter(isNew).toSorted((a, b) => a.generation - b.generation);
  // One that was issued and never proved was overtaken by its successor.
  const version = later.find(({ verifiedAt }) => verifiedAt !== null) ?? later[0];
  const planned = renewals.filter(isNew).map(({ createdAt }) => Math.max(createdAt, startedAt));
  const holding = deployments.filter(({ deployedGeneration }) => deployedGeneration >= (version?.generation ?? 0));
  const isDeployed = version !== undefined && holding.length === targets;
  const proved = member.proved ?? version?.verifiedAt ?? null;
  const reached = { detected: first(planned), issued: version?.createdAt ?? null };
  const deployed = isDeployed ? Math.max(version.createdAt, ...holding.map(({ deployedAt }) => deployedAt ?? 0)) : null;
  return {
    ...member,
    detected: member.detected ?? reached.detected,
    issued: member.issued ?? reached.issued,
    // A target that has been deployed to once more since then does not make it later.
    deployed: member.deployed ?? (deployed === null || proved === null ? deployed : Math.min(deployed, proved)),
    proved,
  };
}

function first(instants: readonly number[]): number | null {
  return instants.length === 0 ? null : Math.min(...instants);
}

/** When it ended; null: it goes on. */
export function drillEnd(
  members: readonly DrillMember[],
  { deadline, endedAt }: { readonly deadline: number; readonly endedAt: number | null },
  now: number,
): number | null {
  const proved = members.flatMap(({ proved: at }) => at ?? []);
  if (proved.length === members.length) return Math.max(...proved);
  if (endedAt !== null) return endedAt;
  return now >= deadline ? deadline : null;
}

/** Since the beginning of the drill; null: so many did not get there. */
export interface DrillTimes {
  readonly stage: DrillStage;
  /** How many certificates got there. */
  readonly reached: number;
  readonly p50Ms: number | null;
  readonly p95Ms: number | null;
  readonly maxMs: number | null;
}

/** Percentiles by nearest rank over all members: one that never got there took longer than any other. */
export function drillTimes({ startedAt, members }: Pick<Drill, "startedAt" | "members">): DrillTimes[] {
  return DRILL_STAGES.map((stage) => {
    const took = members
      .flatMap(({ [stage]: at }) => (at === null ? [] : [Math.max(0, at - startedAt)]))
      .sort((a, b) => a - b);
    const rank = (fraction: number): number | null => took[Math.ceil(fraction * members.length) - 1] ?? null;
    return { stage, reached: took.length, p50Ms: rank(0.5), p95Ms: rank(0.95), maxMs: rank(1) };
  });
}
