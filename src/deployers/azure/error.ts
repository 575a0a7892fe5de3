import { z } from "zod";
import { RenewalError } from "../../domain/errors.ts";
import type { Secret } from "../../domain/secret.ts";
import { answerError } from "../base/httpApi.ts";
import { networkProblem } from "../base/networkProblem.ts";
import { sanitizeAnswer } from "../base/sanitizeAnswer.ts";
import { memberOf, retryAfterOf } from "../base/sdkHeaders.ts";

/** Names of what @azure/identity throws when no token is to be had. */
const CREDENTIAL_ERRORS = new Set([
  "AuthenticationError",
  "AggregateAuthenticationError",
  "CredentialUnavailableError",
  "AuthenticationRequiredError",
]);

const restError = z.object({ statusCode: z.number().int(), code: z.string().optional() });

/** The part of an answer that Key Vault documents (its REST API reference, KeyVaultError). */
const documented = z.object({ details: z.object({ error: z.object({ code: z.string(), message: z.string() }) }) });

/** HTTP status of an SDK's error; null: it is not an answer. */
export function statusOf(thrown: unknown): number | null {
  return restError.safeParse(thrown).data?.statusCode ?? null;
}

export interface AzureCall {
  readonly what: string;
  /** Permission the call needs, as Key Vault names it. */
  readonly action: string;
  readonly secrets: readonly Secret[];
}

/** The SDK's error must not become the cause: it holds the request with the key. */
export function azureError(thrown: unknown, { what, action, secrets }: AzureCall): RenewalError {
  const message = thrown instanceof Error ? thrown.message : "";
  if (thrown instanceof Error && CREDENTIAL_ERRORS.has(thrown.name)) {
    return new RenewalError(
      "deploy.forbidden",
      `${what}: Microsoft Entra gave no token: ${sanitizeAnswer(message, ...secrets)}`,
    );
  }
  const status = statusOf(thrown);
  if (status === null)
    return new RenewalError("deploy.unreachable", `${what}: ${sanitizeAnswer(networkProblem(thrown), ...secrets)}`);
  const { error } = documented.safeParse(thrown).data?.details ?? {};
  return answerError(
    {
      what: `${what}${hint(status, action)}`,
      status,
      headers: retryAfterOf(memberOf(memberOf(thrown, "response"), "headers")),
      errorText: error === undefined ? null : `${error.message} (${error.code})`,
      bytes: null,
    },
    secrets,
  );
}

function hint(status: number, action: string): string {
  if (status === 403)
    return ` (it needs the certificates permission ${action}, or the role Key Vault Certificates Officer)`;
  if (status === 409) return " (if a deleted certificate keeps the name, recover or purge it)";
  return "";
}
