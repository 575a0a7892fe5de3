import type { Telemetry } from "bullmq";
import { RenewalError } from "../domain/errors.ts";
import { loadOptional } from "../domain/optionalPackage.ts";
import type { Secret } from "../domain/secret.ts";

export interface TracingOptions {
  /** Of an OTLP receiver over HTTP, such as `http://127.0.0.1:4318/v1/traces`. */
  readonly url: string;
  readonly headers: Readonly<Record<string, Secret>>;
  /** Of all traces, 0 to 1. */
  readonly ratio: number;
  /** Of renewd. */
  readonly version: string;
  /** Host and process, such as `web-1/4242`. */
  readonly process: string;
}

/** Spans of jobs: who added one, how long it waited, who did it, and which jobs it added in turn. */
export interface Tracing {
  readonly telemetry: Telemetry;
  /** Sends what is left, for at most a few seconds. */
  close(): Promise<void>;
}

const EXPORT_TIMEOUT_MS = 5_000;
const SPANS_KEPT_MAX = 4_096;
const PACKAGES = "@opentelemetry/api @opentelemetry/sdk-trace-node @opentelemetry/exporter-trace-otlp-http bullmq-otel";

/**
 * A job's options carry the id of its trace from process to process; ids and names of queues are all that a span holds.
 * A receiver that is away costs nothing but its spans. Throws `config.invalid` where the packages are not installed.
 */
export async function startTracing({ url, headers, ratio, version, process }: TracingOptions): Promise<Tracing> {
  const api = await required("@opentelemetry/api", () => import("@opentelemetry/api"));
  const sdk = await required("@opentelemetry/sdk-trace-node", () => import("@opentelemetry/sdk-trace-node"));
  const otlp = await required(
    "@opentelemetry/exporter-trace-otlp-http",
    () => import("@opentelemetry/exporter-trace-otlp-http"),
  );
  const { BullMQOtel } = await required("bullmq-otel", () => import("bullmq-otel"));
  const exporter = new otlp.OTLPTraceExporter({
    url,
    timeoutMillis: EXPORT_TIMEOUT_MS,
    headers: Object.fromEntries(Object.entries(headers).map(([name, secret]) => [name, secret.reveal()])),
  });
  const some = new sdk.TraceIdRatioBasedSampler(ratio);
  // BullMQ's housekeeping (waiting for jobs, stalled checks, closing) begins traces of its own, several a second.
  const root: Sampler = {
    shouldSample: (context, traceId, _name, kind) =>
      kind === api.SpanKind.INTERNAL
        ? { decision: sdk.SamplingDecision.NOT_RECORD }
        : some.shouldSample(context, traceId),
    toString: () => `jobs alone, ${some.toString()}`,
  };
  const provider = new sdk.NodeTracerProvider({
    resource: resourceOf({ "service.name": "renewd", "service.version": version, "service.instance.id": process }),
    sampler: new sdk.ParentBasedSampler({ root }),
    spanProcessors: [
      new sdk.BatchSpanProcessor(exporter, { maxQueueSize: SPANS_KEPT_MAX, exportTimeoutMillis: EXPORT_TIMEOUT_MS }),
    ],
  });
  provider.register();
  return {
    telemetry: new BullMQOtel({ tracerName: "renewd", version }),
    async close() {
      await provider.shutdown().catch(() => {}); // What a receiver does not take is lost.
      for (const part of [api.trace, api.context, api.propagation]) part.disable();
    },
  };
}

type Sampler = import("@opentelemetry/sdk-trace-node").Sampler;
type Resource = NonNullable<
  NonNullable<ConstructorParameters<typeof import("@opentelemetry/sdk-trace-node").NodeTracerProvider>[0]>["resource"]
>;

/** The package that makes resources is not a dependency of ours. */
function resourceOf(attributes: Readonly<Record<string, string>>): Resource {
  const resource: Resource = {
    attributes,
    merge: (other) => (other === null ? resource : resourceOf({ ...attributes, ...texts(other.attributes) })),
    getRawAttributes: () => Object.entries(attributes),
  };
  return resource;
}

function texts(attributes: Resource["attributes"]): Record<string, string> {
  return Object.fromEntries(Object.entries(attributes).map(([name, value]) => [name, String(value)]));
}

async function required<Module>(name: string, load: () => Promise<Module>): Promise<Module> {
  const loaded = await loadOptional(name, load, import.meta.url);
  if (loaded !== null) return loaded;
  throw new RenewalError(
    "config.invalid",
    `\`tracing\` needs the package ${name}: run \`npm install ${PACKAGES}\` beside renewd`,
  );
}
