import { type Heartbeat, isLive } from "../../domain/heartbeat.ts";
import type { DoctorCheck } from "../../reports/doctor.ts";
import { healthNotices, listed } from "../../reports/health.ts";
import { configurationDigest } from "../applied.ts";
import { packageVersion } from "../packageVersion.ts";
import { failed, notChecked, passed, warning } from "./check.ts";
import type { Patient } from "./patient.ts";

/** What runs, by which configuration and of which release. */
export async function checkProcesses({ viewer, config, clock }: Patient): Promise<DoctorCheck[]> {
  if (!("store" in viewer))
    return [notChecked("processes", "processes", "they report to the database, which cannot be read")];
  const { store, agentTargets } = viewer;
  const now = clock.now();
  const beats = await store.health.beats();
  const facts = { beats, uses: await viewer.fleet.uses(), fleet: [], agentTargets, waiting: [], now };
  const notices = healthNotices(facts).map(({ what, action, needsPerson }) =>
    (needsPerson ? failed : warning)("processes", "processes", what, action),
  );
  const live = beats.filter((beat) => isLive(beat, now));
  const digest = config === null ? null : configurationDigest(config);
  const old = digest === null ? [] : live.filter((beat) => beat.digest !== digest);
  const checks = [...notices];
  if (old.length > 0)
    checks.push(
      failed(
        "processes",
        named(old),
        `${old.length === 1 ? "works" : "work"} by another configuration than ${config?.file}`,
        "Reload it: `systemctl reload renewd`, or SIGHUP to the process.",
      ),
    );
  const other = live.filter(({ version }) => version !== packageVersion);
  if (other.length > 0)
    checks.push(
      warning(
        "processes",
        named(other),
        `release ${other[0]?.version} runs, and this command is of ${packageVersion}`,
        "Restart it, so that all are of one release: `systemctl restart renewd`.",
      ),
    );
  if (checks.length > 0) return checks;
  const roles = [...new Set(live.map(({ role }) => role))];
  return [
    passed(
      "processes",
      "processes",
      live.length === 0 ? "none is needed" : `${roles.join(", ")}: all by this configuration`,
    ),
  ];
}

function named(beats: readonly Heartbeat[]): string {
  const byProcess = Map.groupBy(beats, ({ process }) => process);
  return listed(
    [...byProcess].map(([process, rows]) => `${process} (${rows.map(({ role }) => role).join(", ")})`),
    "and",
  );
}
