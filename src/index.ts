/**
 * What the package offers to programs: requests for renewals through the queue, and the interfaces that a deployer, a
 * solver or a notification channel implements. The command line is `renewd`.
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
