import { inert } from "../../domain/text.ts";
import { fromNow, spoken } from "../../reports/instant.ts";
import type { ReplacementEntry, ReplacementReport } from "../../reports/replacements.ts";
import type { Screen } from "../terminal/style.ts";

export function renderReplacements({ replacements, at }: ReplacementReport, _screen: Screen): string {
  if (replacements.length === 0) return "no replacement was started";
  return replacements.map((board) => renderOne(board, at)).join("\n\n");
}

function renderOne(board: ReplacementEntry, at: string): string {
  const { id, selection, certificates, done, inFlight, waiting, projectedAt, inTime, needPerson, deadline, cancelled } =
    board;
  const { by, why } = board;
  const asked = [by === null ? null : `asked for by ${inert(by)}`, why === null ? null : inert(why)].filter(
    (each) => each !== null,
  );
  const outlook = cancelled
    ? "cancelled"
    : done === certificates
      ? "finished"
      : needPerson > 0
        ? `${needPerson} cannot finish until a person acts (\`renewd status\`)`
        : projectedAt === null
          ? "no projection yet"
          : `projected to be finished ${spoken(projectedAt)}, ${inTime ? "in time" : "TOO LATE"}`;
  return [
    `${id}  ${inert(selection)}`,
    ...(asked.length === 0 ? [] : [`  ${asked.join(": ")}`]),
    `  ${done} of ${certificates} done, ${inFlight} in flight, ${certificates - done - inFlight} waiting; deadline ` +
      `${fromNow(deadline, at)}; ${outlook}`,
    ...waiting.map(
      ({ on, certificates: names }) =>
        `  waiting on ${inert(on)}: ${names.length} ` +
        `(${names.slice(0, 5).map(inert).join(", ")}${names.length > 5 ? ", …" : ""})`,
    ),
  ].join("\n");
}
