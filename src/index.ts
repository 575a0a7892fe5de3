/**
 * What the package offers to programs: requests for renewals through the queue, and the interfaces that a deployer, a
 * solver or a notification channel implements. A DNS provider is described by `defineRestProvider`, or as a
 * `DnsProviderKind` of its own, and `dnsSolver` makes a solver of it. The command line is `renewd`.
 */
export { addRequest, describeRedis, waitForRequest } from "./compose/requests.ts";
export type { Deployer, DeployRequest, InspectRequest, InstalledPair, TargetLimits } from "./domain/deployer.ts";
export type { DeployReceipt } from "./domain/deployment.ts";
export { RenewalError } from "./domain/errors.ts";
export { ERRORS, type ErrorClass, type ErrorCode } from "./domain/errorTable.ts";
export type { ChallengeResponse, Issuer, Solver } from "./domain/issuer.ts";
export type { Channel, Notification } from "./domain/notification.ts";
export { definePlugin, type Plugin } from "./domain/plugin.ts";
export { Secret } from "./domain/secret.ts";
export type { IssuedCertificate, Leaf } from "./domain/version.ts";
export { secretOption } from "./solvers/dns/options.ts";
export {
  type DnsProvider,
  type DnsProviderKind,
  type NameInZone,
  type ProviderDependencies,
  type ProviderTraits,
  plainTxt,
  type RecordModel,
  type Rrset,
  type RrsetModel,
  relativeName,
  type TxtPlace,
  type TxtRecord,
  type WholeZoneModel,
  type Zone,
  type ZoneRow,
} from "./solvers/dns/provider.ts";
export { defineRestProvider, type RestSpec } from "./solvers/dns/rest/defineRestProvider.ts";
/** What a description's requests are made with: `rest.get`, `rest.path` … */
export * as rest from "./solvers/dns/rest/request.ts";
export { dnsSolver } from "./solvers/dns/solver.ts";
