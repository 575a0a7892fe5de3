import type { Certificate } from "../../domain/certificate.ts";
import { ALTERED_DEPLOYMENT } from "../../domain/deployment.ts";
import type { Store } from "../../domain/store.ts";

export interface Wanted {
  readonly certificate: Pick<Certificate, "name" | "targets">;
  readonly generation: number;
  /** null: no renewal wants it yet. */
  readonly renewalId: string | null;
}

/**
 * From now on every target of the certificate should hold the generation. Rows that somebody else wrote start from
 * nothing, and the history says so. Part of the caller's transaction.
 */
export async function wantGeneration(
  tx: Store,
  { certificate: { name, targets }, generation, renewalId }: Wanted,
  now: number,
): Promise<void> {
  for (const target of await tx.deployments.want(name, targets, generation)) {
    const detail = { generation, problem: ALTERED_DEPLOYMENT };
    await tx.events.append({ at: now, type: "target.drifted", certificate: name, renewalId, target, detail });
  }
}
