import { Counter, Gauge, Registry } from "prom-client";
import { inertLine } from "../../domain/text.ts";
import type { TimedStage } from "../../domain/totals.ts";

type Labels = Readonly<Record<string, string>>;

/** One scrape: every number is set anew, so that what is gone leaves no series behind. */
export interface Scrape {
  /** Nothing is set for a value that is null: an absent series is honest, a zero is not. */
  gauge(name: string, help: string, values: readonly Sample[]): void;
  /** Absolute values: the database counts them. */
  counter(name: string, help: string, values: readonly Sample[]): void;
  histogram(name: string, help: string, series: readonly DurationSeries[]): void;
  /** In Prometheus' text format. */
  text(): Promise<string>;
}

export interface Sample {
  readonly labels: Labels;
  readonly value: number | null;
}

export interface DurationSeries {
  readonly stage: TimedStage;
  /** Seconds. */
  readonly bounds: readonly number[];
  /** For each bound how many were at most so long. */
  readonly within: readonly number[];
  readonly count: number;
  /** Seconds. */
  readonly sum: number;
}

export function createScrape(): Scrape {
  const registry = new Registry();
  const histograms: string[] = [];
  return {
    gauge(name, help, values) {
      const gauge = new Gauge({ name, help, labelNames: labelNames(values), registers: [registry] });
      for (const { labels, value } of values) if (value !== null) gauge.set(inertLabels(labels), value);
    },
    counter(name, help, values) {
      const counter = new Counter({ name, help, labelNames: labelNames(values), registers: [registry] });
      for (const { labels, value } of values) if (value !== null) counter.inc(inertLabels(labels), value);
    },
    histogram(name, help, series) {
      histograms.push(histogramText(name, help, series));
    },
    text: async () => [await registry.metrics(), ...histograms].join("\n"),
  };
}

function labelNames(values: readonly Sample[]): string[] {
  return [...new Set(values.flatMap(({ labels }) => Object.keys(labels)))];
}

/** CAs choose names and serial numbers: no control character of theirs gets into a scrape. */
function inertLabels(labels: Labels): Record<string, string> {
  return Object.fromEntries(Object.entries(labels).map(([name, value]) => [name, inertLine(value)]));
}

/** prom-client's own histogram counts only what it observes itself; these were counted in the database. */
function histogramText(name: string, help: string, series: readonly DurationSeries[]): string {
  const lines = series.flatMap(({ stage, bounds, within, count, sum }) => [
    ...bounds.map((bound, index) => `${name}_bucket{stage="${stage}",le="${bound}"} ${within[index] ?? 0}`),
    `${name}_bucket{stage="${stage}",le="+Inf"} ${count}`,
    `${name}_sum{stage="${stage}"} ${sum}`,
    `${name}_count{stage="${stage}"} ${count}`,
  ]);
  return [`# HELP ${name} ${help}`, `# TYPE ${name} histogram`, ...lines, ""].join("\n");
}
