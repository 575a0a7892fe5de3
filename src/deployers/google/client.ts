import { z } from "zod";
import { RenewalError } from "../../domain/errors.ts";
import type { Secret } from "../../domain/secret.ts";
import type { SecretReference } from "../../domain/secretReference.ts";
import type { DeployerDependencies } from "../base/dependencies.ts";
import { answerError } from "../base/httpApi.ts";
import { jsonOrNull } from "../base/jsonAnswer.ts";
import { networkProblem } from "../base/networkProblem.ts";
import { sanitizeAnswer } from "../base/sanitizeAnswer.ts";
import { callSdk } from "../base/sdkCall.ts";
import { retryAfterOf } from "../base/sdkHeaders.ts";
import { secretOption } from "../base/secretOption.ts";

/** What Google's clients share: options, one attempt per call, and the errors of their REST mode. */

export const googleOptions = {
  project: z
    .string()
    .regex(/^[a-z][a-z0-9-]{4,28}[a-z0-9]$/, "give a project ID such as my-project-123")
    .describe("Google Cloud project."),
  credentials: secretOption
    .optional()
    .describe(
      "Service account key (JSON): env:NAME or file:/path. Default: Google's own chain (environment, workload " +
        "identity, metadata server, gcloud).",
    ),
  endpoint: z
    .string()
    .regex(/^[A-Za-z0-9.-]+(:\d{1,5})?$/, "give host or host:port")
    .optional()
    .describe("Another host of the API, such as a private endpoint; always over HTTPS."),
};

export interface GoogleAccess {
  readonly project: string;
  readonly credentials?: SecretReference | undefined;
  readonly endpoint?: string | undefined;
}

const serviceAccount = z.object({
  type: z.literal("service_account"),
  client_email: z.string(),
  private_key: z.string(),
});

/**
 * REST over HTTP/1.1 instead of gRPC, so proxies and errors are the same as everywhere. Credentials are read each time.
 */
export async function clientOptions(
  { project, credentials, endpoint }: GoogleAccess,
  { secret }: DeployerDependencies,
) {
  const [host, port] = endpoint?.split(":") ?? [];
  const where = host === undefined ? {} : { apiEndpoint: host, port: Number(port ?? 443) };
  const common = { fallback: true, projectId: project, ...where };
  if (credentials === undefined) return common;
  const parsed = serviceAccount.safeParse(jsonOrNull((await secret(credentials)).reveal()));
  if (!parsed.success)
    throw new RenewalError(
      "config.secret",
      `${credentials.kind}:${credentials.at} holds no service account key (JSON, type service_account)`,
    );
  const { client_email, private_key } = parsed.data;
  return { ...common, credentials: { client_email, private_key } };
}

/** Without this the clients retry for a minute by themselves. */
export const ONCE = {
  retry: {
    retryCodes: [],
    backoffSettings: { initialRetryDelayMillis: 1, retryDelayMultiplier: 1, maxRetryDelayMillis: 1, maxRetries: 0 },
  },
};

export interface GoogleCall<Result> {
  /** The service and what is asked of it. */
  readonly what: string;
  /** IAM permission the call needs. */
  readonly permission: string;
  readonly timeoutMs: number;
  readonly secrets?: readonly Secret[];
  readonly run: (signal: AbortSignal) => Promise<Result>;
}

export async function callGoogle<Result>(
  { what, permission, timeoutMs, secrets = [], run }: GoogleCall<Result>,
  signal: AbortSignal,
): Promise<Result> {
  return await callSdk(
    { what, timeoutMs, run, translate: (error) => googleError(error, { what, permission, secrets }) },
    signal,
  );
}

const failure = z.object({
  status: z.number().int(),
  response: z.object({ headers: z.unknown() }).optional(),
  config: z.object({ url: z.unknown() }).optional(),
});
const body = z.object({ error: z.object({ message: z.string() }) });

/** HTTP status of a client's error; null: it is not an answer. */
export function googleStatus(thrown: unknown): number | null {
  return thrown instanceof Error ? (failure.safeParse({ ...thrown }).data?.status ?? null) : null;
}

/** The client's error must not become the cause: it holds the request with the key. */
function googleError(
  thrown: unknown,
  { what, permission, secrets }: Omit<Required<GoogleCall<unknown>>, "run" | "timeoutMs">,
): RenewalError {
  const parsed = thrown instanceof Error ? failure.safeParse({ ...thrown }) : null;
  const message = thrown instanceof Error ? thrown.message : "";
  if (parsed?.success !== true)
    return new RenewalError("deploy.unreachable", `${what}: ${sanitizeAnswer(networkProblem(thrown), ...secrets)}`);
  const { status, response, config } = parsed.data;
  const documented = body.safeParse(jsonOrNull(message)).data?.error.message ?? null;
  if (fromTokenService(config?.url))
    // This request holds no key, and its errors have no common shape.
    return new RenewalError(
      "deploy.forbidden",
      `${what}: Google gave no token: ${sanitizeAnswer(documented ?? message, ...secrets)}`,
    );
  // ABORTED and ALREADY_EXISTS: something else is changing the same resource now.
  if (status === 409)
    return new RenewalError(
      "deploy.unreachable",
      `${what} met another change: ${sanitizeAnswer(documented ?? "no reason given", ...secrets)}`,
    );
  const hint = status === 403 ? ` (it needs the permission ${permission})` : "";
  const headers = retryAfterOf(response?.headers);
  return answerError({ what: `${what}${hint}`, status, headers, errorText: documented, bytes: null }, secrets);
}

function fromTokenService(url: unknown): boolean {
  return /^https?:\/\/(oauth2|sts|iamcredentials|metadata)\./.test(String(url ?? ""));
}
