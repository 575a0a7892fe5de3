import { inert } from "../../domain/text.ts";
import { formatDuration } from "../../domain/time.ts";
import type { DrillEntry, DrillStageEntry, DrillsReport } from "../../reports/drills.ts";
import { spoken } from "../../reports/instant.ts";
import type { Screen } from "../terminal/style.ts";
import { type Cell, renderTable } from "../terminal/table.ts";

const LATE_SHOWN = 10;

export function renderDrills({ drills }: DrillsReport, screen: Screen): string {
  if (drills.length === 0) return "no drill was started";
  return drills.map((each) => renderOne(each, screen)).join("\n\n");
}

function renderOne(entry: DrillEntry, screen: Screen): string {
  const { id, selection, issuer, startedAt, finishedAt, cancelled, certificates, proved, comparedWith } = entry;
  const state = cancelled ? "cancelled" : finishedAt === null ? "runs" : `ended ${spoken(finishedAt)}`;
  const from = issuer === null ? "" : `, from issuer ${inert(issuer)}`;
  const rows = entry.stages.map((stage): Cell[] => [
    stage.stage,
    `${stage.reached} of ${certificates}`,
    ...(["p50Ms", "p95Ms", "maxMs"] as const).map((key) => timeCell(stage, key)),
  ]);
  const late = entry.members.filter(({ provedAt }) => provedAt === null);
  const names = late.slice(0, LATE_SHOWN).map(({ certificate }) => inert(certificate));
  return [
    `${id}  ${inert(selection)}${from}`,
    `  started ${spoken(startedAt)}, ${state}; ${proved} of ${certificates} proved live`,
    ...renderTable(
      [{ title: "STAGE" }, { title: "CERTIFICATES" }, { title: "P50" }, { title: "P95" }, { title: "MAX" }],
      rows,
      screen,
    ).map((line) => `  ${line}`),
    ...(late.length === 0 ? [] : [`  not proved: ${names.join(", ")}${late.length > LATE_SHOWN ? ", …" : ""}`]),
    comparedWith === null
      ? "  the first of its kind: nothing to compare with"
      : `  in brackets: ${comparedWith.id.slice(0, 8)} of ${spoken(comparedWith.startedAt)}, ` +
        `${comparedWith.certificates} certificates`,
  ].join("\n");
}

function timeCell({ before, ...stage }: DrillStageEntry, key: "p50Ms" | "p95Ms" | "maxMs"): string {
  const spokenOf = (ms: number | null): string => (ms === null ? "not reached" : formatDuration(ms));
  return before === null ? spokenOf(stage[key]) : `${spokenOf(stage[key])} (${spokenOf(before[key])})`;
}
