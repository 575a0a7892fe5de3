import type { CertificateRecord } from "../../domain/certificate.ts";
import type { Deployment } from "../../domain/deployment.ts";
import type { Version } from "../../domain/version.ts";

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
  return Math.max(latest?.generation ?? 0, record?.generationFloor ?? 0, ...used) + 1;
}
