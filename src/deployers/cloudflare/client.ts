import { z } from "zod";
import { RenewalError } from "../../domain/errors.ts";
import type { Secret } from "../../domain/secret.ts";
import type { SecretReference } from "../../domain/secretReference.ts";
import type { DeployerDependencies } from "../base/dependencies.ts";
import { answerError, callHttp, failedAnswer, type HttpAnswer, type HttpApi, type HttpCall } from "../base/httpApi.ts";
import { answerBody, jsonErrorText, jsonOrNull } from "../base/jsonAnswer.ts";
import { sanitizeAnswer } from "../base/sanitizeAnswer.ts";

// https://developers.cloudflare.com/api/resources/custom_certificates/

export interface CloudflareAccess {
  readonly endpoint: string;
  readonly zone: string;
  readonly token: SecretReference;
  readonly timeoutMs: number;
}

const customCertificate = z.object({
  id: z.string(),
  hosts: z.array(z.string()),
  signature: z.string().default(""),
  expires_on: z.string().default(""),
  bundle_method: z.string().default(""),
  priority: z.number().default(0),
});
export type CustomCertificate = z.infer<typeof customCertificate>;

export interface Upload {
  /** Leaf first. */
  readonly certificate: string;
  readonly privateKey: Secret;
  readonly bundleMethod: string;
  readonly clients: string;
  readonly keyRegion: string | null;
}

export interface Cloudflare {
  /** null: there is no such certificate. */
  read(id: string, signal: AbortSignal): Promise<CustomCertificate | null>;
  list(signal: AbortSignal): Promise<CustomCertificate[]>;
  /** Replaces `id`, or creates a new one when it is null. */
  upload(id: string | null, upload: Upload, signal: AbortSignal): Promise<CustomCertificate>;
  prioritize(id: string, priority: number, signal: AbortSignal): Promise<void>;
  /** Throws unless Cloudflare answers and lets us look. */
  check(signal: AbortSignal): Promise<void>;
  /** What it says of the token itself. */
  verifyToken(signal: AbortSignal): Promise<{ readonly status: string; readonly ends: number | null }>;
}

const one = z.object({ result: customCertificate });
const many = z.object({
  result: z.array(customCertificate),
  result_info: z.object({ total_pages: z.number().int().default(1) }).optional(),
});
/** https://developers.cloudflare.com/api/resources/user/subresources/tokens/methods/verify/ */
const verified = z.object({
  result: z.object({ status: z.string(), expires_on: z.iso.datetime({ offset: true }).nullish() }),
});
/** https://developers.cloudflare.com/fundamentals/api/reference/ : `errors` of every answer without success. */
const failure = z.object({ errors: z.array(z.object({ code: z.number(), message: z.string() })).min(1) });

/**
 * https://developers.cloudflare.com/fundamentals/api/troubleshooting/: a token it cannot read is a 400, like a wrong
 * certificate.
 */
const CREDENTIAL_CODES = new Set([6003, 6111, 9106, 9107, 9109, 10000]);
const PAGE_SIZE = 50;
const PAGES_MAX = 40;

export function createCloudflare(
  { endpoint, zone, token: reference, timeoutMs }: CloudflareAccess,
  { secret }: DeployerDependencies,
): Cloudflare {
  const api: HttpApi = { name: "Cloudflare", timeoutMs, errorText: jsonErrorText(failure, textOf) };
  const call = async (
    request: Omit<HttpCall, "url" | "headers"> & { of?: string; path?: string; query?: string },
    signal: AbortSignal,
  ): Promise<HttpAnswer> => {
    const { of = `/zones/${zone}/custom_certificates`, path = "", query = "", ...rest } = request;
    const token = await secret(reference);
    const url = new URL(`${endpoint.replace(/\/+$/, "")}${of}${path}${query}`);
    const secrets = [token, ...(request.secrets ?? [])];
    const headers = { authorization: `Bearer ${token.reveal()}`, "content-type": "application/json" };
    const answer = await callHttp(
      api,
      { ...rest, url, headers, secrets, expected: [...(request.expected ?? []), 400, 403] },
      signal,
    );
    if (answer.status !== 400 && answer.status !== 403) return answer;
    throw refusal(`Cloudflare: ${request.method} ${url.pathname}`, answer, secrets);
  };
  return {
    async read(id, signal) {
      const answer = await call({ method: "GET", path: `/${id}`, expected: [404] }, signal);
      return answer.status === 404 ? null : answerBody(api, answer, one).result;
    },
    async list(signal) {
      const found: CustomCertificate[] = [];
      for (let page = 1; page <= PAGES_MAX; page++) {
        const { result, result_info } = answerBody(
          api,
          await call({ method: "GET", query: `?page=${page}&per_page=${PAGE_SIZE}` }, signal),
          many,
        );
        found.push(...result);
        if (page >= (result_info?.total_pages ?? 1)) return found;
      }
      throw new RenewalError(
        "deploy.refused",
        `zone ${zone} has more than ${PAGE_SIZE * PAGES_MAX} custom certificates; name this one's \`certificateId\``,
      );
    },
    async upload(id, { certificate, privateKey, bundleMethod, clients, keyRegion }, signal) {
      const body = JSON.stringify({
        certificate,
        private_key: privateKey.reveal(),
        bundle_method: bundleMethod,
        // The type is chosen once: an edit does not take it.
        ...(id === null && { type: clients }),
        ...(keyRegion !== null && { geo_restrictions: { label: keyRegion } }),
      });
      const where = id === null ? { method: "POST" as const } : { method: "PATCH" as const, path: `/${id}` };
      return answerBody(api, await call({ ...where, body, secrets: [privateKey] }, signal), one).result;
    },
    async prioritize(id, priority, signal) {
      await call(
        { method: "PUT", path: "/prioritize", body: JSON.stringify({ certificates: [{ id, priority }] }) },
        signal,
      );
    },
    async verifyToken(signal) {
      const answer = await call({ method: "GET", of: "/user/tokens/verify" }, signal);
      const { status, expires_on } = answerBody(api, answer, verified).result;
      return { status, ends: expires_on == null ? null : Date.parse(expires_on) };
    },
    async check(signal) {
      answerBody(api, await call({ method: "GET", query: "?page=1&per_page=5" }, signal), many);
    },
  };
}

/** Cloudflare's messages and codes in one line, without its envelope. */
function refusal(what: string, answer: HttpAnswer, secrets: readonly Secret[]): RenewalError {
  const { data } = failure.safeParse(jsonOrNull(answer.text));
  if (data === undefined) return answerError(failedAnswer({}, what, answer), secrets);
  const said = sanitizeAnswer(textOf(data), ...secrets);
  const forbidden = answer.status === 403 || data.errors.some(({ code }) => CREDENTIAL_CODES.has(code));
  if (forbidden)
    return new RenewalError(
      "deploy.forbidden",
      `${what}: ${said}; the token needs Zone › SSL and Certificates › Edit for this zone`,
    );
  return new RenewalError("deploy.refused", `${what}: ${said}`);
}

function textOf({ errors }: z.infer<typeof failure>): string {
  return errors.map(({ code, message }) => `${message} (${code})`).join("; ");
}
