import type { Endpoint } from "../../domain/endpoint.ts";
import type { Renewal } from "../../domain/renewal.ts";
import type { RenewalFacts, Store } from "../../domain/store.ts";
import type { Version } from "../../domain/version.ts";
import type { Context } from "../context.ts";
import { withoutDeadEndpoints } from "../rules/deadNames.ts";
import type { LoadedFacts } from "../rules/facts.ts";
import { silentVantages } from "../rules/vantages.ts";
import { isConfigurationOutdated } from "./configurationVersion.ts";

/** `known`: what the database has of it, read just now; absent: it is read. */
export async function loadFacts(
  context: Context,
  store: Store,
  renewal: Renewal,
  known?: RenewalFacts,
): Promise<LoadedFacts> {
  const configured = context.services.certificate(renewal.certificate);
  const found = known ?? (await store.renewals.facts(renewal));
  const version = found.version(renewal.generation);
  const certificate = configured && withoutDeadEndpoints(configured, version);
  const previous = pairKept(renewal, found);
  const { before, inspectionAt, isReplaced, deployments, endpoints } = found;
  const outdated = isConfigurationOutdated(context, renewal.certificate, found.record);
  const silent = await silentFor(context, store, certificate?.endpoints ?? []);
  const { leaseMs, crashesMax } = context.settings;
  return {
    ...{ certificate, outdated, version, previous, before, inspectionAt, isReplaced },
    ...{ deployments, endpoints, silent, leaseMs, crashesMax },
  };
}

/** Who asks is there, even before its first report. */
async function silentFor(
  { vantage, clock }: Context,
  store: Store,
  endpoints: readonly Endpoint[],
): Promise<ReadonlySet<string>> {
  const others = endpoints.filter((endpoint) => endpoint.vantage !== undefined && endpoint.vantage !== vantage);
  return others.length === 0 ? new Set() : silentVantages(others, await store.health.beats(), clock.now());
}

/** The newest pair that a target of a later wave still holds. If none is known to hold one: the version before. */
function pairKept({ generation, reason }: Renewal, { version, before, deployments }: RenewalFacts): Version | null {
  if (reason === "targetChanged") return version(generation);
  const unreached = deployments.filter(
    (row) => row.attempts === 0 && row.deployedGeneration > 0 && row.deployedGeneration < generation,
  );
  const newest = Math.max(0, ...unreached.map((row) => row.deployedGeneration));
  const kept = newest === 0 ? null : version(newest);
  return kept ?? before();
}
