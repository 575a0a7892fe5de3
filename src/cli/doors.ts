/**
 * What commands work with. Each door is loaded when a command uses it; its arguments and its answer are those of the
 * function behind it. Modules that a command file imports directly are loaded by `renewd --help`.
 */
import { late } from "../domain/late.ts";

export const loadConfig = late(async () => (await import("../config/load.ts")).loadConfig);
export const configJsonSchema = late(async () => (await import("../config/schema/jsonSchema.ts")).configJsonSchema);
export const registries = async () => (await import("../config/schema/registries.ts")).REGISTRIES;

export const certificatesReport = late(async () => (await import("../reports/certificates.ts")).certificatesReport);
export const historyReport = late(async () => (await import("../reports/history.ts")).historyReport);
export const planReport = late(async () => (await import("../reports/plan.ts")).planReport);
export const replacementReport = late(async () => (await import("../reports/replacements.ts")).replacementReport);
export const showReport = late(async () => (await import("../reports/renewal.ts")).showReport);
export const statusReport = late(async () => (await import("../reports/status.ts")).statusReport);

export const acknowledge = late(async () => (await import("../renewal/operator/acknowledge.ts")).acknowledge);
export const withdrawAcknowledgement = late(
  async () => (await import("../renewal/operator/acknowledge.ts")).withdrawAcknowledgement,
);
export const draftReplacement = late(async () => (await import("../renewal/plan/replacement.ts")).draftReplacement);
export const findPairsInUse = late(async () => (await import("../renewal/plan/firstRun.ts")).findPairsInUse);
export const startReplacement = late(async () => (await import("../renewal/plan/replacement.ts")).startReplacement);
export const requestRenewal = late(async () => (await import("../renewal/plan/request.ts")).requestRenewal);
export const importPair = late(async () => (await import("../renewal/operator/importPair.ts")).importPair);
export const pause = late(async () => (await import("../renewal/operator/pause.ts")).pause);
export const redeploy = late(async () => (await import("../renewal/operator/redeploy.ts")).redeploy);
export const heldRenewal = late(async () => (await import("../renewal/operator/resume.ts")).heldRenewal);
export const resumeRenewal = late(async () => (await import("../renewal/operator/resume.ts")).resumeRenewal);
export const resumeCertificate = late(async () => (await import("../renewal/operator/retry.ts")).resumeCertificate);
export const retryNow = late(async () => (await import("../renewal/operator/retry.ts")).retryNow);
export const revoke = late(async () => (await import("../renewal/operator/revoke.ts")).revoke);
export const versionToRevoke = late(async () => (await import("../renewal/operator/revoke.ts")).versionToRevoke);
export const rollBackRenewal = late(async () => (await import("../renewal/operator/rollBack.ts")).rollBackRenewal);
export const findForeignAnswers = late(
  async () => (await import("../renewal/operator/foreignAnswers.ts")).findForeignAnswers,
);
export const removeForeignAnswers = late(
  async () => (await import("../renewal/operator/foreignAnswers.ts")).removeForeignAnswers,
);
export const preflight = late(async () => (await import("../renewal/steps/preflight.ts")).preflight);
export const isPublicSuffix = late(async () => (await import("../config/publicSuffix.ts")).isPublicSuffix);
export const tryEndpoints = late(async () => (await import("../renewal/watch/tryEndpoints.ts")).tryEndpoints);
export const rehearse = late(async () => (await import("../renewal/watch/rehearse.ts")).rehearse);

export const completionScript = late(async () => (await import("./completion.ts")).completionScript);
export const watch = late(async () => (await import("./watch.ts")).watch);
