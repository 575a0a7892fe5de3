import type { Certificate } from "../../domain/certificate.ts";
import { endpointKey } from "../../domain/endpoint.ts";
import type { Store } from "../../domain/store.ts";
import { behindTargets, staleEndpoints } from "../rules/reasons.ts";
import { type Wanted, wantGeneration } from "./wantGeneration.ts";

/**
 * Marks for deployment: targets that lack the generation, and targets behind endpoints that serve another certificate.
 * Part of the caller's transaction.
 */
export async function redeployDrifted(
  tx: Store,
  wanted: Wanted & { readonly certificate: Certificate },
  now: number,
): Promise<void> {
  const { certificate, generation } = wanted;
  const { name } = certificate;
  const behind = behindTargets(certificate, generation, await tx.deployments.list(name));
  await wantGeneration(tx, wanted, now);
  const stale = staleEndpoints(certificate, generation, await tx.observations.statuses(name));
  for (const target of targetsServing(certificate, stale, behind)) await tx.deployments.forget(name, target);
}

/**
 * The targets behind these endpoints. An endpoint that names no target means all of them, unless a target that lacks
 * the generation explains what it serves.
 */
function targetsServing(
  { targets, endpoints }: Certificate,
  stale: readonly string[],
  behind: readonly string[],
): readonly string[] {
  const served = endpoints.filter((endpoint) => stale.includes(endpointKey(endpoint))).map(({ target }) => target);
  return targets.filter((target) => served.includes(target) || (served.includes(null) && behind.length === 0));
}
