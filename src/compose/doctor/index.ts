import { type DoctorCheck, type DoctorReport, doctorReport } from "../../reports/doctor.ts";
import { trustSystemAuthorities } from "../systemTrust.ts";
import { notChecked, within } from "./check.ts";
import { checkConfiguration, checkSecrets } from "./configuration.ts";
import { checkNameServer, checkWeb } from "./listeners.ts";
import { checkDisk, checkFiles, checkPorts } from "./machine.ts";
import { askCas, type CaAnswer, checkChannels, checkNames, checkTargets } from "./outside.ts";
import { openPatient } from "./patient.ts";
import { checkProcesses } from "./processes.ts";
import { checkClock, checkDatabase, checkQueue } from "./services.ts";

const LOCAL_MS = 20_000;
const CA_MS = 20_000;
const NAMES_MS = 60_000;
const TARGETS_MS = 75_000;

const NEED_CONFIGURATION = ["secrets", "redis", "ca", "names", "targets", "ports", "web", "channels"] as const;
const UNTOUCHED =
  "the web role touches no target: `renewd rehearse` has a planner try them, or run this on their machine";
const WRONG_FILE = "needs a configuration without mistakes";

/**
 * Everything renewd needs on this machine, checked with the rights of the user who asks. Each check stands on its own,
 * so that one broken part does not hide another; nothing is created, sent, ordered or deployed. `targets` false: of a
 * process that must not touch any.
 */
export async function examine(
  file: string,
  signal: AbortSignal,
  { targets = true }: { readonly targets?: boolean } = {},
): Promise<DoctorReport> {
  await using patient = await openPatient(file);
  trustSystemAuthorities();
  let cas: readonly CaAnswer[] = [];
  const ofCas = within("ca", CA_MS, signal, async (bounded) => {
    cas = await askCas(patient, bounded);
    return cas.map(({ check }) => check);
  });
  const checks: (readonly DoctorCheck[])[] = await Promise.all([
    within("configuration", LOCAL_MS, signal, () => checkConfiguration(patient)),
    within("secrets", LOCAL_MS, signal, () => checkSecrets(patient)),
    within("files", LOCAL_MS, signal, () => checkFiles(patient)),
    within("disk", LOCAL_MS, signal, () => checkDisk(patient)),
    within("database", LOCAL_MS, signal, () => checkDatabase(patient)),
    within("redis", LOCAL_MS, signal, (bounded) => checkQueue(patient, bounded)),
    ofCas,
    ofCas.then(() => within("clock", LOCAL_MS, signal, () => checkClock(patient, cas))),
    within("names", NAMES_MS, signal, async (bounded) => {
      const found = await checkNames(patient, bounded);
      await ofCas;
      // A CA that does not answer is said once.
      return found
        .filter(
          ({ issuer }) => issuer === null || !cas.some((ca) => ca.issuer === issuer && ca.check.result === "failed"),
        )
        .map(({ check }) => check);
    }),
    targets
      ? within("targets", TARGETS_MS, signal, (bounded) => checkTargets(patient, bounded))
      : [notChecked("targets", "targets", UNTOUCHED)],
    within("ports", LOCAL_MS, signal, (bounded) => checkPorts(patient, bounded)),
    within("ports", LOCAL_MS, signal, () => checkNameServer(patient)),
    within("web", LOCAL_MS, signal, () => checkWeb(patient)),
    within("channels", LOCAL_MS, signal, () => checkChannels(patient)),
    within("processes", LOCAL_MS, signal, () => checkProcesses(patient)),
  ]);
  const blind = patient.config === null ? NEED_CONFIGURATION.map((area) => notChecked(area, area, WRONG_FILE)) : [];
  return doctorReport(file, [...checks.flat(), ...blind], patient.clock.now());
}
