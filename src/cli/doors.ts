/**
 * What commands work with. Each door is loaded when a command uses it; its arguments and its answer are those of the
 * function behind it. Modules that a command file imports directly are loaded by `renewd --help`.
 */
import { late } from "../domain/late.ts";

export const loadConfig = late(async () => (await import("../config/load.ts")).loadConfig);
export const readConfigText = late(async () => (await import("../config/read/readFile.ts")).readConfigText);
export const parseYaml = late(async () => (await import("../config/read/document.ts")).parseYaml);
export const parseDefinition = late(async () => (await import("../config/read/definitions.ts")).parseDefinition);
export const parseValue = late(async () => (await import("../config/read/definitions.ts")).parseValue);
export const definitionText = late(async () => (await import("../config/read/definitions.ts")).definitionText);
export const definitionDocument = late(async () => (await import("../config/read/definitions.ts")).definitionDocument);
export const definitionsText = late(async () => (await import("../config/read/definitions.ts")).definitionsText);
export const configJsonSchema = late(async () => (await import("../config/schema/jsonSchema.ts")).configJsonSchema);
export const checkHost = late(async () => (await import("../config/schema/endpoints.ts")).checkHost);
export const checkHostAndPort = late(async () => (await import("../config/schema/endpoints.ts")).checkHostAndPort);
export const loadPlugins = late(async () => (await import("../config/schema/registries.ts")).loadPlugins);

export const certificatesReport = late(async () => (await import("../reports/certificates.ts")).certificatesReport);
export const drillsReport = late(async () => (await import("../reports/drills.ts")).drillsReport);
export const historyReport = late(async () => (await import("../reports/history.ts")).historyReport);
export const horizonReport = late(async () => (await import("../reports/horizon.ts")).horizonReport);
export const planReport = late(async () => (await import("../reports/plan.ts")).planReport);
export const replacementReport = late(async () => (await import("../reports/replacements.ts")).replacementReport);
export const showReport = late(async () => (await import("../reports/renewal.ts")).showReport);
export const watchedReport = late(async () => (await import("../reports/watched.ts")).watchedReport);
export const weekReport = late(async () => (await import("../reports/week.ts")).weekReport);
export const fleetStatus = late(async () => (await import("../reports/fleetStatus.ts")).fleetStatus);

export const acknowledge = late(async () => (await import("../actions/acknowledge.ts")).acknowledge);
export const withdrawAcknowledgement = late(
  async () => (await import("../actions/acknowledge.ts")).withdrawAcknowledgement,
);
export const listAlerts = late(async () => (await import("../actions/alerts.ts")).listAlerts);
export const listAlertRules = late(async () => (await import("../actions/alerts.ts")).listAlertRules);
export const acknowledgeAlert = late(async () => (await import("../actions/alerts.ts")).acknowledgeAlert);
export const withdrawAlertAcknowledgement = late(
  async () => (await import("../actions/alerts.ts")).withdrawAlertAcknowledgement,
);
export const startExercise = late(async () => (await import("../actions/exercise.ts")).startExercise);
export const testAlertRule = late(async () => (await import("../actions/alerts.ts")).testAlertRule);
export const listInventory = late(async () => (await import("../actions/inventory.ts")).listInventory);
export const keyInInventory = late(async () => (await import("../actions/inventory.ts")).keyInInventory);
export const adoptFound = late(async () => (await import("../actions/inventory.ts")).adoptFound);
export const ignoreInventory = late(async () => (await import("../actions/inventory.ts")).ignoreInventory);
export const checkTarget = late(async () => (await import("../actions/checks.ts")).checkTarget);
export const testChannels = late(async () => (await import("../actions/checks.ts")).testChannels);
export const recordAudit = late(async () => (await import("../actions/recordAudit.ts")).recordAudit);
export const dial = late(async () => (await import("../actions/dial.ts")).dial);
export const drill = late(async () => (await import("../actions/drill.ts")).drill);
export const pause = late(async () => (await import("../actions/pause.ts")).pause);
export const rehearse = late(async () => (await import("../actions/rehearse.ts")).rehearse);
export const renew = late(async () => (await import("../actions/renew.ts")).renew);
export const replace = late(async () => (await import("../actions/replace.ts")).replace);
export const cancelReplacement = late(async () => (await import("../actions/replace.ts")).cancel);
export const revocationDraft = late(async () => (await import("../actions/revoke.ts")).revocationDraft);
export const revoke = late(async () => (await import("../actions/revoke.ts")).revoke);
export const deploy = late(async () => (await import("../actions/steer.ts")).deploy);
export const rollBack = late(async () => (await import("../actions/steer.ts")).rollBack);
export const retry = late(async () => (await import("../actions/steer.ts")).retry);
export const resume = late(async () => (await import("../actions/steer.ts")).resume);

export const findPairsInUse = late(async () => (await import("../renewal/plan/firstRun.ts")).findPairsInUse);
export const importPair = late(async () => (await import("../renewal/operator/importPair.ts")).importPair);

export const completionScript = late(async () => (await import("./completion.ts")).completionScript);
export const comparePlans = late(async () => (await import("./comparePlans.ts")).comparePlans);
export const watch = late(async () => (await import("./watch.ts")).watch);
