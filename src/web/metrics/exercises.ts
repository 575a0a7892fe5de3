import type { Exercise } from "../../domain/exercise.ts";
import { seconds } from "./certificates.ts";
import { labels, type Scrape } from "./registry.ts";

/** Of the last exercise that ended; `exercises`: newest first. */
export function exerciseMetrics({ gauge }: Scrape, exercises: readonly Exercise[]): void {
  const last = exercises.find(({ endedAt }) => endedAt !== null);
  const answered = exercises.find(({ outcome }) => outcome === "acknowledged");
  gauge(
    "renewd_exercise_ended_timestamp_seconds",
    "When the last exercise of the alarm ended, by how.",
    last === undefined ? [] : [{ labels: labels({ outcome: last.outcome ?? "" }), value: seconds(last.endedAt) }],
  );
  gauge(
    "renewd_exercise_acknowledged_after_seconds",
    "How long it took until a person acknowledged, in the last exercise that anybody did.",
    answered === undefined
      ? []
      : [{ labels: "", value: ((answered.acknowledgedAt ?? 0) - (answered.brokenAt ?? 0)) / 1_000 }],
  );
}
