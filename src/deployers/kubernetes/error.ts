import { z } from "zod";
import { RenewalError } from "../../domain/errors.ts";
import type { Secret } from "../../domain/secret.ts";
import { answerError } from "../base/httpApi.ts";
import { jsonOrNull } from "../base/jsonAnswer.ts";
import { networkProblem } from "../base/networkProblem.ts";
import { sanitizeAnswer } from "../base/sanitizeAnswer.ts";

/** What an API server answered instead of what was asked for. */
export interface KubernetesFailure {
  readonly status: number;
  /** Such as `AlreadyExists`: it distinguishes answers with the same status. */
  readonly reason: string | null;
  /** The Status object's own text; null: the answer is none. */
  readonly message: string | null;
  /** Who owns fields we want to write, in the server's words. */
  readonly owners: readonly string[];
  readonly headers: Readonly<Record<string, string>>;
}

// https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/
const statusBody = z.object({
  reason: z.string().optional(),
  message: z.string().optional(),
  details: z
    .object({
      retryAfterSeconds: z.number().optional(),
      causes: z.array(z.object({ reason: z.string().optional(), message: z.string().optional() })).optional(),
    })
    .optional(),
});
const exception = z.object({
  code: z.number().int(),
  body: z.unknown(),
  headers: z.record(z.string(), z.string()).optional(),
});

/** null: not an answer of the server, or not a failure. */
export function readFailure(thrown: unknown): KubernetesFailure | null {
  const parsed = thrown instanceof Error ? exception.safeParse({ ...thrown }) : null;
  if (parsed?.success !== true) return null;
  const { code, body, headers = {} } = parsed.data;
  const status = statusBody.safeParse(typeof body === "string" ? jsonOrNull(body) : body).data ?? {};
  const seconds = status.details?.retryAfterSeconds;
  const owners = (status.details?.causes ?? [])
    .filter(({ reason }) => reason === "FieldManagerConflict")
    .map(({ message = "an unnamed manager" }) => message);
  return {
    status: code,
    reason: status.reason ?? null,
    message: status.message ?? null,
    owners: [...new Set(owners)],
    headers: { ...(seconds !== undefined && { "retry-after": String(seconds) }), ...headers },
  };
}

/** The client's own error must not become the cause: its message holds the whole answer. */
export function kubernetesError(
  thrown: unknown,
  { what, secrets }: { readonly what: string; readonly secrets: readonly Secret[] },
): RenewalError {
  const failure = readFailure(thrown);
  if (failure === null)
    return new RenewalError("deploy.unreachable", `${what}: ${sanitizeAnswer(networkProblem(thrown), ...secrets)}`);
  if (failure.owners.length > 0) {
    const owners = sanitizeAnswer(failure.owners.join(", "), ...secrets);
    return new RenewalError(
      "deploy.refused",
      `${what}: others own what renewd wants to write: ${owners}; if they no longer need it, set \`takeOver: true\``,
    );
  }
  const { status, headers, message } = failure;
  return answerError({ what, status, headers, errorText: message, bytes: null }, secrets);
}
