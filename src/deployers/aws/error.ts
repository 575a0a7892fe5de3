import { RenewalError } from "../../domain/errors.ts";
import type { ErrorCode } from "../../domain/errorTable.ts";
import type { Secret } from "../../domain/secret.ts";
import { retryAfterInstant } from "../../domain/time.ts";
import { RETRY_AFTER_MAX_MS } from "../base/httpApi.ts";
import { HIDDEN, sanitizeAnswer } from "../base/sanitizeAnswer.ts";

/** A service of AWS, as error messages name it. */
export interface AwsService {
  /** What people call it, such as `ACM`. */
  readonly name: string;
  /** Before the colon of its IAM actions, such as `acm`. */
  readonly permissions: string;
  /** What to do when one of its quotas is used up. */
  readonly quotaAdvice: string;
}

export interface AwsFailedCall {
  readonly service: AwsService;
  /** Such as `ACM in eu-central-1`. */
  readonly where: string;
  /** Such as `ImportCertificate`. */
  readonly action: string;
  readonly hidden: Secret | null;
}

const THROTTLED = new Set([
  "ThrottlingException",
  "Throttling",
  "TooManyRequestsException",
  "RequestLimitExceeded",
  "RequestThrottled",
  "SlowDown",
]);
/** Secrets Manager's names for a KMS key that is disabled, pending, or not ours to use. */
const KMS = new Set(["EncryptionFailure", "DecryptionFailure"]);
const FORBIDDEN = new Set([
  ...KMS,
  "AccessDeniedException",
  "AccessDenied",
  "UnrecognizedClientException",
  "InvalidClientTokenId",
  "InvalidSignatureException",
  "SignatureDoesNotMatch",
  "ExpiredTokenException",
  "ExpiredToken",
  "IncompleteSignature",
  "MissingAuthenticationToken",
  "OptInRequired",
  "CredentialsProviderError",
  "TokenProviderError",
]);
/** Nothing is wrong with the request; the service is busy with the same thing. */
const BUSY = new Set([
  "ConflictException",
  "RequestInProgressException",
  "ResourceInUseException",
  "ConcurrentModificationException",
  "EntityTemporarilyUnmodifiableException",
]);

/** What the SDK throws, as far as it is of use here. Its shape is not a type of the SDK, so every member is checked. */
interface SdkFailure {
  readonly name: string;
  readonly message: string;
  readonly status: number | null;
  readonly retryAfter: string | null;
  readonly clientFault: boolean;
}

/** Translates by error name and status, never by text. The SDK's error is not the cause: it may repeat the request. */
export function awsError(thrown: unknown, call: AwsFailedCall, now: number): RenewalError {
  const failure = read(thrown);
  // The name is foreign text too: it is the answer's `__type` or `Code`.
  const [name, said] = [failure.name, failure.message].map((text) => sanitizeAnswer(text, call.hidden));
  const shown = said === "" ? name : said === HIDDEN ? `${name} ${said}` : said;
  const code = codeOf(failure);
  const message = `${call.where}: ${call.action}: ${shown}${hint(code, call, failure)}`;
  const retryAt = code === "deploy.rateLimited" ? retryAtOf(failure, now) : null;
  const cause = Object.assign(new Error(said), { name });
  return new RenewalError(code, message, retryAt === null ? { cause } : { cause, retryAt });
}

function codeOf({ name, status, clientFault }: SdkFailure): ErrorCode {
  if (THROTTLED.has(name) || status === 429) return "deploy.rateLimited";
  if (FORBIDDEN.has(name) || status === 401 || status === 403) return "deploy.forbidden";
  if (BUSY.has(name)) return "deploy.unreachable";
  return clientFault ? "deploy.refused" : "deploy.unreachable";
}

function hint(code: ErrorCode, { service, action }: AwsFailedCall, { name }: SdkFailure): string {
  if (name === "CredentialsProviderError") return " (set AWS credentials in the deployer's environment, or `profile`)";
  if (KMS.has(name))
    return " (enable the secret's KMS key, and permit renewd kms:GenerateDataKey and kms:Decrypt with it)";
  if (code === "deploy.forbidden") return ` (it needs the permission ${service.permissions}:${action})`;
  if (name === "LimitExceededException") return ` (${service.quotaAdvice})`;
  return "";
}

function retryAtOf({ retryAfter }: SdkFailure, now: number): number | null {
  return retryAfterInstant(retryAfter ?? undefined, { now, maxMs: RETRY_AFTER_MAX_MS });
}

function read(thrown: unknown): SdkFailure {
  if (!(thrown instanceof Error))
    return { name: "unknown error", message: "", status: null, retryAfter: null, clientFault: false };
  const metadata = member(thrown, "$metadata");
  const status = member(metadata, "httpStatusCode");
  const retryAfter = member(member(member(thrown, "$response"), "headers"), "retry-after");
  return {
    name: thrown.name,
    message: messageOf(thrown, member(thrown, "$fault") !== undefined),
    status: typeof status === "number" ? status : null,
    retryAfter: typeof retryAfter === "string" ? retryAfter : null,
    clientFault: member(thrown, "$fault") === "client",
  };
}

/**
 * A service's own error has a documented message. Any other error about an answer comes from a parser, which quotes the
 * body it cannot read.
 */
function messageOf(thrown: Error, isServiceError: boolean): string {
  if (!isServiceError && member(thrown, "$response") !== undefined) return "";
  return thrown.message === "" ? String(member(thrown, "code") ?? "") : thrown.message;
}

function member(value: unknown, key: string): unknown {
  // Boundary: any object may be asked for any member; what comes back is unknown.
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>)[key] : undefined;
}
