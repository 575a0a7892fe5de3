/**
 * The only wiring: configuration → dependencies → running roles. What is behind a door is loaded when the door is used,
 * so that `renewd --help` waits for neither database nor queue, and `renewd status` for no queue.
 */
import { late } from "../domain/late.ts";

export { describeRedis } from "../queue/options.ts";
export type { InUse } from "../renewal/plan/firstRun.ts";
export type { App } from "./app.ts";
export type { DefinitionChange } from "./definitions.ts";
export { problemsOf } from "./problems.ts";
export type { MachineProposal } from "./proposal.ts";
export type { Reader } from "./reader.ts";
export { ROLES, type Role } from "./roleNames.ts";
export type { Viewer } from "./viewer.ts";
export { withoutQueue } from "./withoutQueue.ts";

export const loadWhole = late(async () => (await import("./reader.ts")).loadWhole);
export const loadConfigOrExplain = late(async () => (await import("./reader.ts")).loadConfigOrExplain);
export const configInvalid = late(async () => (await import("./reader.ts")).configInvalid);
export const addDefinition = late(async () => (await import("./definitions.ts")).addDefinition);
export const editDefinition = late(async () => (await import("./definitions.ts")).editDefinition);
export const removeDefinitions = late(async () => (await import("./definitions.ts")).removeDefinitions);
export const importDefinitions = late(async () => (await import("./definitions.ts")).importDefinitions);
export const storedDefinitions = late(async () => (await import("./definitions.ts")).storedDefinitions);
export const delegationReport = late(async () => (await import("./delegation.ts")).delegationReport);
export const persistReport = late(async () => (await import("./persist.ts")).persistReport);
export const acmeShReport = late(async () => (await import("./acmeShReport.ts")).acmeShReport);
export const openReader = late(async () => (await import("./reader.ts")).openReader);
export const openReaderToLook = late(async () => (await import("./reader.ts")).openReaderToLook);
export const openViewer = late(async () => (await import("./viewer.ts")).openViewer);
export const openContext = late(async () => (await import("./app.ts")).openContext);
export const openContextToLook = late(async () => (await import("./app.ts")).openContextToLook);
export const accountAdmin = late(async () => (await import("./accounts.ts")).accountAdmin);
export const readForeignPair = late(async () => (await import("./foreignPair.ts")).readForeignPair);
export const proposeConfiguration = late(async () => (await import("./proposal.ts")).proposeConfiguration);
export const mistakesIn = late(async () => (await import("./proposal.ts")).mistakesIn);

export const checkSurroundings = late(async () => (await import("./surroundings.ts")).checkSurroundings);

export const discover = late(async () => (await import("./discovery.ts")).discover);
export const discoverRequest = late(async () => (await import("./discoveryRequest.ts")).discoverRequest);
export const servedReport = late(async () => (await import("./served.ts")).servedReport);
export const servedDiff = late(async () => (await import("./served.ts")).servedDiff);
export const scan = late(async () => (await import("./scan.ts")).scan);
export const examine = late(async () => (await import("./doctor/index.ts")).examine);

export const runRoles = late(async () => (await import("./process.ts")).runRoles);
export const runningHere = late(async () => (await import("./runningHere.ts")).runningHere);
export const startWorkerProcess = late(async () => (await import("./workerProcess.ts")).startWorkerProcess);
export const requestRenewals = late(async () => (await import("./requestRenewals.ts")).requestRenewals);
export const signInLink = late(async () => (await import("./signIn.ts")).signInLink);
export const addRequest = late(async () => (await import("./requests.ts")).addRequest);
export const waitForRequest = late(async () => (await import("./requests.ts")).waitForRequest);

export const auditReport = late(async () => (await import("./inquiries.ts")).auditReport);
export const auditReportOf = late(async () => (await import("./inquiries.ts")).auditReportOf);
export const checkReport = late(async () => (await import("./inquiries.ts")).checkReport);
export const challengesReport = late(async () => (await import("./inquiries.ts")).challengesReport);
export const removeForeign = late(async () => (await import("./inquiries.ts")).removeForeign);
export const leftoversReport = late(async () => (await import("./inquiries.ts")).leftoversReport);
export const accountReport = late(async () => (await import("./inquiries.ts")).accountReport);

export const trustSystemAuthorities = late(async () => (await import("./systemTrust.ts")).trustSystemAuthorities);

export const removeLeftovers = late(async () => (await import("./leftovers.ts")).removeLeftovers);
export const forgetLeftovers = late(async () => (await import("./leftovers.ts")).forgetLeftovers);

export const acceptConfigured = late(async () => (await import("./storeTasks.ts")).acceptConfigured);
export const auditConfigured = late(async () => (await import("./storeTasks.ts")).auditConfigured);
export const backupConfigured = late(async () => (await import("./storeTasks.ts")).backupConfigured);
export const copyConfigured = late(async () => (await import("./storeTasks.ts")).copyConfigured);
export const migrateConfigured = late(async () => (await import("./storeTasks.ts")).migrateConfigured);
export const reopenConfigured = late(async () => (await import("./storeTasks.ts")).reopenConfigured);
export const restoreConfigured = late(async () => (await import("./storeTasks.ts")).restoreConfigured);
