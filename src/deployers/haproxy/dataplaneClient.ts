import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import { RenewalError } from "../../domain/errors.ts";
import { Secret } from "../../domain/secret.ts";
import { callHttp, type HttpAnswer, type HttpCall } from "../base/httpApi.ts";
import { jsonErrorText, jsonOrNull } from "../base/jsonAnswer.ts";
import { bareCause } from "../base/networkProblem.ts";
import { sanitizeAnswer } from "../base/sanitizeAnswer.ts";

const STORAGE = "/v3/services/haproxy/storage";
const RELOADS = "/v3/services/haproxy/reloads";
const RELOAD_POLL_MS = 250;

const reload = z.looseObject({
  status: z.enum(["in_progress", "succeeded", "failed"]),
  response: z.string().optional(),
});

/** The specification's `ssl_certificate`; client-native formats it as OpenSSL does (storage/cert-info.go). */
const sslCertificate = z.object({
  sha256_finger_print: z.string().optional(),
  size: z.number().int().nullish(),
});
const SHA256 = /^(?:[0-9A-F]{2}:){31}[0-9A-F]{2}$/i;

/** The specification's `error`. */
const errorText = jsonErrorText(
  z.object({ code: z.number(), message: z.string() }),
  ({ code, message }) => `${message} (${code})`,
);

export interface DataplaneAddress {
  readonly url: string;
  readonly username: string;
  readonly password: Secret;
  readonly timeoutMs: number;
  /** PEM; undefined: the system's CAs. */
  readonly trust: string | undefined;
}

/** What the API shows of a certificate's file. It shows neither the key nor what else the file holds. */
export interface StoredCertificate {
  /** SHA-256 of the leaf, lower-case hex; null: the API does not show it. */
  readonly fingerprint: string | null;
  /** Length of the file; null: the API does not show it. */
  readonly bytes: number | null;
}

/**
 * The part of HAProxy's Data Plane API that a deployer needs. Its specification: client-native,
 * specification/paths/storage.
 */
export interface Dataplane {
  /** Throws the reason if a deploy is impossible. */
  check(signal: AbortSignal): Promise<void>;
  /** A file of the general storage; null: there is none. */
  readFile(name: string, signal: AbortSignal): Promise<string | null>;
  writeFile(
    file: { readonly name: string; readonly content: string; readonly exists: boolean },
    signal: AbortSignal,
  ): Promise<void>;
  /** null: there is no such file. */
  readStored(name: string, signal: AbortSignal): Promise<StoredCertificate | null>;
  /**
   * Returns once HAProxy has it in memory, by a push or by a reload. Throws `deploy.commandFailed` when the reload
   * failed.
   */
  writeCertificate(
    certificate: { readonly name: string; readonly bundle: string; readonly exists: boolean },
    signal: AbortSignal,
  ): Promise<void>;
}

/**
 * The API keeps letters, digits, # _ - and the last dot of a name. This does the same, so that two certificates whose
 * names become equal are found before they overwrite each other.
 */
export function storageName(name: string): string {
  const dot = name.lastIndexOf(".");
  const plain = (text: string): string => text.replace(/[^a-zA-Z0-9#_-]+/g, "_");
  return `${plain(name.slice(0, dot))}.${plain(name.slice(dot + 1))}`;
}

export function connectDataplane(address: DataplaneAddress): Dataplane {
  const basic = new Secret(Buffer.from(`${address.username}:${address.password.reveal()}`).toString("base64"));
  const api = {
    name: `HAProxy's Data Plane API at ${address.url}`,
    timeoutMs: address.timeoutMs,
    ca: address.trust,
    errorText,
  };
  const call = (
    request: Omit<HttpCall, "url"> & { readonly path: string },
    signal: AbortSignal,
  ): Promise<HttpAnswer> => {
    const headers = { ...request.headers, authorization: `Basic ${basic.reveal()}` };
    const secrets = [address.password, basic, ...(request.secrets ?? [])];
    return callHttp(api, { ...request, headers, secrets, url: new URL(request.path, address.url) }, signal);
  };
  const get = (path: string, signal: AbortSignal): Promise<HttpAnswer> =>
    call({ method: "GET", path, expected: [404] }, signal);

  return {
    async check(signal) {
      await call({ method: "GET", path: `${STORAGE}/ssl_certificates` }, signal);
      await call({ method: "GET", path: `${STORAGE}/general` }, signal);
    },
    async readFile(name, signal) {
      const answer = await get(`${STORAGE}/general/${name}`, signal);
      return answer.status === 404 ? null : answer.text;
    },
    async writeFile({ name, content, exists }, signal) {
      const form = await upload({ name, content });
      // HAProxy does not read this file, so it needs no reload.
      if (exists) await call({ method: "PUT", path: `${STORAGE}/general/${name}?skip_reload=true`, ...form }, signal);
      else await call({ method: "POST", path: `${STORAGE}/general`, ...form }, signal);
    },
    async readStored(name, signal) {
      const answer = await get(`${STORAGE}/ssl_certificates/${name}`, signal);
      if (answer.status === 404) return null;
      const shown = sslCertificate.safeParse(jsonOrNull(answer.text)).data;
      const text = shown?.sha256_finger_print ?? "";
      const fingerprint = SHA256.test(text) ? text.replaceAll(":", "").toLowerCase() : null;
      return { fingerprint, bytes: shown?.size ?? null };
    },
    async writeCertificate({ name, bundle, exists }, signal) {
      const secrets = [new Secret(bundle)];
      // The API pushes a known certificate into HAProxy's memory. HAProxy reads a new file only at a reload.
      const request: Parameters<typeof call>[0] = exists
        ? {
            method: "PUT",
            path: `${STORAGE}/ssl_certificates/${name}`,
            headers: { "content-type": "text/plain" },
            body: bundle,
            secrets,
          }
        : {
            method: "POST",
            path: `${STORAGE}/ssl_certificates?force_reload=true`,
            ...(await upload({ name, content: bundle })),
            secrets,
          };
      const answer = await call(request, signal);
      const id = answer.headers["reload-id"];
      if (answer.status === 202 && id !== undefined) await reloaded(id, secrets, signal);
    },
  };

  /** When a push is not possible, the API reloads a little later; its result must be asked for. */
  async function reloaded(id: string, secrets: readonly Secret[], signal: AbortSignal): Promise<void> {
    const deadline = performance.now() + address.timeoutMs;
    for (;;) {
      const answer = await call({ method: "GET", path: `${RELOADS}/${encodeURIComponent(id)}`, secrets }, signal);
      const { status, response } = parseReload(answer.text);
      if (status === "succeeded") return;
      if (status === "failed")
        throw new RenewalError(
          "deploy.commandFailed",
          `${api.name}: HAProxy did not reload: ${sanitizeAnswer(response ?? "", address.password, ...secrets)}`,
        );
      if (performance.now() > deadline)
        throw new RenewalError(
          "deploy.timeout",
          `${api.name}: HAProxy's reload ${id} did not end within ${address.timeoutMs} ms`,
        );
      await delay(RELOAD_POLL_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
    }
  }

  function parseReload(text: string): z.infer<typeof reload> {
    try {
      return reload.parse(JSON.parse(text));
    } catch (error) {
      const message = `${api.name} does not report a reload as version 3 of the API does`;
      throw new RenewalError("deploy.refused", message, { cause: bareCause(error) });
    }
  }
}

/** multipart/form-data with the one part `file_upload`, as the API takes new files. */
async function upload({
  name,
  content,
}: {
  readonly name: string;
  readonly content: string;
}): Promise<{ readonly headers: Record<string, string>; readonly body: Uint8Array }> {
  const form = new FormData();
  form.append("file_upload", new Blob([content]), name);
  const encoded = new Response(form);
  return {
    headers: { "content-type": encoded.headers.get("content-type") ?? "" },
    body: new Uint8Array(await encoded.arrayBuffer()),
  };
}
