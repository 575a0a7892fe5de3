import { inertLine } from "../../domain/text.ts";
import type { TimedStage } from "../../domain/totals.ts";

/** One scrape: every number is written anew, so that what is gone leaves no series behind. */
export interface Scrape {
  gauge(name: string, help: string, values: Iterable<Sample>): void;
  /** Absolute values: the database counts them. */
  counter(name: string, help: string, values: Iterable<Sample>): void;
  histogram(name: string, help: string, series: readonly DurationSeries[]): void;
  /**
   * In Prometheus' text format. 10,000 certificates are 14 MB: the values are asked for one by one as the scrape is
   * taken. prom-client would keep the process busy for a second.
   */
  lines(): Generator<string>;
}

/** Nothing is written where the value is null: an absent series is honest, a zero is not. */
export interface Sample {
  /** As `labels` writes them; empty: none. */
  readonly labels: string;
  readonly value: number | null;
  readonly suffix?: string;
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

interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: "gauge" | "counter" | "histogram";
  readonly values: Iterable<Sample>;
}

export function createScrape(): Scrape {
  const families: Family[] = [];
  const add =
    (type: Family["type"]) =>
    (name: string, help: string, values: Iterable<Sample>): void =>
      void families.push({ name, help, type, values });
  return {
    gauge: add("gauge"),
    counter: add("counter"),
    histogram: (name, help, series) => add("histogram")(name, help, series.flatMap(histogramSamples)),
    *lines() {
      for (const { name, help, type, values } of families) {
        yield `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
        for (const { labels: text, value, suffix = "" } of values)
          if (value !== null && Number.isFinite(value)) yield `${name}${suffix}${text} ${value}\n`;
      }
    },
  };
}

function histogramSamples({ stage, bounds, within, count, sum }: DurationSeries): Sample[] {
  const bucket = (le: string, value: number): Sample => ({ suffix: "_bucket", labels: labels({ stage, le }), value });
  return [
    ...bounds.map((bound, index) => bucket(String(bound), within[index] ?? 0)),
    bucket("+Inf", count),
    { suffix: "_sum", labels: labels({ stage }), value: sum },
    { suffix: "_count", labels: labels({ stage }), value: count },
  ];
}

/** Printable ASCII but for quote and backslash: nearly every label. */
const PLAIN = /^[ !#-[\]-~]*$/;

/** CAs choose names and serial numbers: no control character, quote or line end of theirs gets into a scrape. */
export function labels(values: Readonly<Record<string, string>>): string {
  let written = "";
  for (const name in values) {
    const value = values[name] ?? "";
    written += `${written === "" ? "{" : ","}${name}="${PLAIN.test(value) ? value : escaped(inertLine(value))}"`;
  }
  return written === "" ? "" : `${written}}`;
}

function escaped(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
