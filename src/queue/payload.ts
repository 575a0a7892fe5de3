import { z } from "zod";
import { RenewalError } from "../domain/errors.ts";
import type { Job } from "../domain/queue.ts";

const FIELD_PROBLEMS_MAX = 5;
const PROBLEM_LENGTH_MAX = 120;

/** Neither a forged log line nor text that a terminal shows in another order than it was written. */
const plainText = (lengthMax: number) =>
  z
    .string()
    .max(lengthMax)
    .regex(/^[^\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]*$/u, "must not hold control characters");

const count = z.int().min(0);

/** Ids and generations only: everything else comes from the database. */
const base = { v: z.literal(1), renewalId: plainText(100).min(1), generation: count, fence: count };
const issuePayload = z.strictObject(base);
const deployPayload = z.strictObject({ ...base, target: plainText(200).min(1) });

export type JobPayload = z.infer<typeof issuePayload> | z.infer<typeof deployPayload>;

/** A request for a renewal, version 1, as documented in docs/queue.md. */
const renewalRequest = z.strictObject({
  version: z.literal(1),
  /** Name of a certificate in the configuration. */
  certificate: plainText(253).min(1),
  /** Renew even though nothing is due. */
  force: z.boolean().optional(),
  reason: plainText(200).optional(),
  /** Who asks: a person or a system, for history. */
  requestedBy: plainText(100).optional(),
});

export type RenewalRequest = z.infer<typeof renewalRequest>;

export function payloadOf(job: Job): JobPayload {
  const payload = { v: 1 as const, renewalId: job.renewalId, generation: job.generation, fence: job.fence };
  return job.kind === "deploy" ? { ...payload, target: job.target } : payload;
}

/** Which queue a job comes from, where its kind has several. */
export interface JobOrigin {
  /** A target's own. */
  readonly agent?: boolean;
  /** A vantage's own; null: that of verifiers without one. */
  readonly vantage?: string | null;
}

/** Throws `request.invalid` naming the fields. */
export function parseJob(
  kind: Job["kind"],
  data: unknown,
  priority: number,
  { agent = false, vantage = null }: JobOrigin = {},
): Job {
  if (kind === "deploy") {
    const { v: _, ...ids } = parse(deployPayload, data);
    return { kind, ...ids, priority, agent };
  }
  const { v: _, ...ids } = parse(issuePayload, data);
  return kind === "verify" ? { kind, ...ids, priority, vantage } : { kind, ...ids, priority };
}

/** Throws `request.invalid` naming the fields, such as `certificate: expected string, received number`. */
export function parseRequest(data: unknown): RenewalRequest {
  return parse(renewalRequest, data);
}

function parse<T>(schema: z.ZodType<T>, data: unknown): T {
  const result = schema.safeParse(data);
  if (result.success) return result.data;
  const problems = result.error.issues.slice(0, FIELD_PROBLEMS_MAX).map(describe);
  throw new RenewalError("request.invalid", problems.join("; "));
}

/** Bounded: names of unknown fields come from the writer of the payload. */
function describe(issue: z.core.$ZodIssue): string {
  if (issue.code === "unrecognized_keys") {
    const [first = "", ...others] = issue.keys;
    const name = JSON.stringify(first.slice(0, 40));
    return others.length === 0 ? `${name}: unknown field` : `${name} and ${others.length} more: unknown fields`;
  }
  const field = issue.path.length === 0 ? "payload" : issue.path.join(".");
  return `${field}: ${issue.message.replace(/^Invalid (input|option): /, "")}`.slice(0, PROBLEM_LENGTH_MAX);
}
