import type { HistoryEvent } from "../domain/event.ts";

export const STAGES = ["waiting", "issuing", "deploying", "verifying"] as const;
export type Stage = (typeof STAGES)[number];

/** A span of time in which one stage of a renewal was at work. Instants are ms since epoch. */
export interface StageSpan {
  readonly stage: Stage;
  readonly from: number;
  readonly to: number;
}

export interface StageMark {
  readonly stage: Stage;
  readonly at: number;
  readonly isFailure: boolean;
  readonly what: string;
}

export interface Stages {
  readonly from: number;
  readonly to: number;
  readonly spans: readonly StageSpan[];
  readonly marks: readonly StageMark[];
  /** How long each stage took in all. */
  readonly totalsMs: Readonly<Record<Stage, number>>;
}

/** What of a renewal took how long, as its events say. `end`: of the renewal, or now. */
export function stagesOf(events: readonly HistoryEvent[], end: number): Stages {
  const from = events[0]?.at ?? end;
  const spans: StageSpan[] = [];
  const marks: StageMark[] = [];
  let stage: Stage = "waiting";
  let since = from;
  const enter = (next: Stage, at: number): void => {
    if (next === stage) return;
    if (at > since) spans.push({ stage, from: since, to: at });
    stage = next;
    since = at;
  };
  for (const { at, type, detail } of events) {
    const own = stageOf(type);
    if (own !== null) enter(own, at);
    const isFailure = type.endsWith(".failed") || type === "verify.stale" || type === "renewal.held";
    if (isFailure || type.endsWith(".started")) marks.push({ stage, at, isFailure, what: type });
    // From a failure to the next attempt it waits.
    if (typeof detail.retryAt === "number" && detail.retryAt > at) enter("waiting", at);
    // Held, it waits for a person.
    if (type === "renewal.held") enter("waiting", at);
  }
  if (end > since) spans.push({ stage, from: since, to: end });
  const totalsMs = { waiting: 0, issuing: 0, deploying: 0, verifying: 0 };
  for (const span of spans) totalsMs[span.stage] += span.to - span.from;
  return { from, to: Math.max(end, from), spans, marks, totalsMs };
}

function stageOf(type: HistoryEvent["type"]): Stage | null {
  if (/^(issue|order|challenge)\.|^version\.issued$/.test(type)) return "issuing";
  if (type.startsWith("deploy.")) return "deploying";
  return type.startsWith("verify.") ? "verifying" : null;
}
