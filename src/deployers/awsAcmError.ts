import { type ErrorCode, RenewalError } from "../domain/errors.ts";
import type { Secret } from "../domain/secret.ts";
import { forPeople } from "./words.ts";

const THROTTLED = new Set(["ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded", "RequestThrottled", "SlowDown"]);
const FORBIDDEN = new Set([
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
/** Nothing is wrong with the request; ACM is busy with the same certificate. */
const BUSY = new Set(["ConflictException", "RequestInProgressException", "ResourceInUseException"]);

export interface AcmCall {
  /** Such as `ImportCertificate`. */
  readonly action: string;
  readonly region: string;
  readonly secret: Secret | null;
}

/** What the SDK throws, as far as it is of use here. Its shape is not a type of the SDK, so every member is checked. */
interface SdkFailure {
  readonly name: string;
  readonly message: string;
  readonly status: number | null;
  readonly retryAfter: string | null;
  readonly clientFault: boolean;
}

/** Translates by error name and status, never by text. The SDK's error is not the cause: it may repeat the request. */
export function acmError(thrown: unknown, { action, region, secret }: AcmCall, now: number): RenewalError {
  const failure = read(thrown);
  const said = forPeople(failure.message, secret);
  const code = codeOf(failure);
  const message = `ACM in ${region}: ${action}: ${said === "" ? failure.name : said}${hint(code, action, failure)}`;
  const retryAt = code === "deploy.rateLimited" ? retryAtOf(failure, now) : null;
  const cause = Object.assign(new Error(said), { name: failure.name });
  return new RenewalError(code, message, retryAt === null ? { cause } : { cause, retryAt });
}

function codeOf({ name, status, clientFault }: SdkFailure): ErrorCode {
  if (THROTTLED.has(name) || status === 429) return "deploy.rateLimited";
  if (FORBIDDEN.has(name) || status === 401 || status === 403) return "deploy.forbidden";
  if (BUSY.has(name)) return "deploy.unreachable";
  return clientFault ? "deploy.refused" : "deploy.unreachable";
}

function hint(code: ErrorCode, action: string, { name }: SdkFailure): string {
  if (name === "CredentialsProviderError") return " (set AWS credentials in the deployer's environment, or `profile`)";
  if (code === "deploy.forbidden") return ` (it needs the permission acm:${action})`;
  if (name === "LimitExceededException") return " (raise the quota in Service Quotas, or delete certificates nothing uses)";
  return "";
}

function retryAtOf({ retryAfter }: SdkFailure, now: number): number | null {
  if (retryAfter === null) return null;
  if (/^\d{1,6}$/.test(retryAfter)) return now + Number(retryAfter) * 1000;
  const date = Date.parse(retryAfter);
  return Number.isNaN(date) ? null : date;
}

function read(thrown: unknown): SdkFailure {
  if (!(thrown instanceof Error)) return { name: "unknown error", message: "", status: null, retryAfter: null, clientFault: false };
  const metadata = member(thrown, "$metadata");
  const status = member(metadata, "httpStatusCode");
  const retryAfter = member(member(member(thrown, "$response"), "headers"), "retry-after");
  return {
    name: thrown.name,
    message: thrown.message === "" ? String(member(thrown, "code") ?? "") : thrown.message,
    status: typeof status === "number" ? status : null,
    retryAfter: typeof retryAfter === "string" ? retryAfter : null,
    clientFault: member(thrown, "$fault") === "client",
  };
}

function member(value: unknown, key: string): unknown {
  // Boundary: any object may be asked for any member; what comes back is unknown.
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>)[key] : undefined;
}
