/** The only wiring: configuration → dependencies → running roles. */
export { accountAdmin } from "./accounts.ts";
export {
  type App,
  loadConfigOrExplain,
  openContext,
  openReader,
  problemsOf,
  type Reader,
  withoutQueue,
} from "./app.ts";
export { readForeignPair } from "./foreignPair.ts";
export { runRoles } from "./process.ts";
export { type MachineProposal, mistakesIn, proposeConfiguration } from "./proposal.ts";
export { ROLES, type Role } from "./roles.ts";
export {
  auditConfigured,
  backupConfigured,
  copyConfigured,
  migrateConfigured,
  restoreConfigured,
} from "./storeTasks.ts";
export { startWorkerProcess } from "./workerProcess.ts";
