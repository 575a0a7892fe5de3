import type { CertificateRecord } from "../../domain/certificate.ts";
import type { Deployment } from "../../domain/deployment.ts";
import type { Version } from "../../domain/version.ts";

/** A restore raises the floor by one for each minute since the backup: this is more than a century. */
const FLOOR_RAISE_MAX = 100_000_000;

/**
 * The number of a certificate's next pair: above every pair that a target may hold, also when the row of that pair is
 * gone. With a number that was used before, a target would count as holding the new pair already.
 */
export function nextGeneration(
  latest: Pick<Version, "generation"> | null,
  record: Pick<CertificateRecord, "generationFloor"> | null,
  deployments: readonly Pick<Deployment, "wantedGeneration" | "deployedGeneration">[],
): number {
  const used = deployments.flatMap(({ wantedGeneration, deployedGeneration }) => [
    wantedGeneration,
    deployedGeneration,
  ]);
  const known = Math.max(latest?.generation ?? 0, ...used);
  const floor = record?.generationFloor ?? 0;
  // The floor carries no seal, and beyond what can be counted exactly no generation would follow.
  return (floor <= known + FLOOR_RAISE_MAX ? Math.max(known, floor) : known) + 1;
}
