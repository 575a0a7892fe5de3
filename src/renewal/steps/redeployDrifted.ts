import type { Certificate } from "../../domain/certificate.ts";
import { endpointKey } from "../../domain/endpoint.ts";
import type { Store } from "../../domain/store.ts";
import { behindTargets, staleEndpoints } from "../rules/reasons.ts";

/**
 * Marks for deployment: targets that lack the generation, and targets behind endpoints that serve another certificate.
 * Part of the caller's transaction.
 */
export async function redeployDrifted(tx: Store, certificate: Certificate, generation: number): Promise<void> {
  const { name, targets } = certificate;
  const behind = behindTargets(certificate, generation, await tx.deployments.list(name));
  await tx.deployments.want(name, targets, generation);
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
