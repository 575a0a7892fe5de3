import { z } from "zod";
import { RenewalError } from "../../domain/errors.ts";
import type { Secret } from "../../domain/secret.ts";
import { callHttp, type HttpAnswer, type HttpCall } from "../base/httpApi.ts";
import { jsonErrorText } from "../base/jsonAnswer.ts";
import { bareCause } from "../base/networkProblem.ts";
import { sanitizeAnswer } from "../base/sanitizeAnswer.ts";

/** The part of Caddy's JSON configuration that names certificate files (module tls.certificates.load_files). */
const LOAD_FILES = "/config/apps/tls/certificates/load_files";

export interface CaddyAdmin {
  /** As configured: host:port, or the path of a UNIX socket. */
  readonly address: string;
  readonly timeoutMs: number;
}

/** caddy.APIError. */
const errorText = jsonErrorText(z.object({ error: z.string() }), ({ error }) => error);

const entry = z.looseObject({ certificate: z.string(), key: z.string() });
type Entry = z.infer<typeof entry>;

/** The certificate files that Caddy's configuration names. */
export interface LoadedFiles {
  readonly entries: readonly Entry[] | null;
  /** Changes when the entries change; null: Caddy older than 2.5.2 sends none. */
  readonly etag: string | null;
}

/** Throws `deploy.unreachable`, `deploy.timeout` or `deploy.forbidden`. */
export async function loadedFiles(admin: CaddyAdmin, signal: AbortSignal): Promise<LoadedFiles> {
  // 400: an object on this path does not exist.
  const answer = await call(admin, { method: "GET", path: LOAD_FILES, expected: [400] }, signal);
  if (answer.status === 400) return { entries: null, etag: null };
  return { entries: parseEntries(admin, answer.text), etag: answer.headers.etag ?? null };
}

function parseEntries(admin: CaddyAdmin, text: string): Entry[] | null {
  try {
    return z.array(entry).nullable().parse(JSON.parse(text));
  } catch (error) {
    // The parser's text quotes the configuration, which may hold secrets.
    const message = `${nameOf(admin)} does not answer as Caddy's admin API does`;
    throw new RenewalError("deploy.refused", message, { cause: bareCause(error) });
  }
}

export function names({ entries }: LoadedFiles, file: string): boolean {
  return indexOf(entries, file) >= 0;
}

/**
 * Makes Caddy read `file` again. Caddy does not watch certificate files, and ignores a configuration that equals its
 * own. So this replaces the entry that names the file with itself, with a forced reload, and changes nothing else. If
 * no entry names the file, this adds one. Caddy loads everything before it drops the old configuration; if that fails,
 * the old one keeps serving and this throws `deploy.commandFailed`. `If-Match` prevents overwriting a change made by
 * somebody else. `secret`: what the file holds, which Caddy may repeat in its answer.
 */
export async function reloadFile(
  admin: CaddyAdmin,
  found: LoadedFiles,
  add: { readonly id: string; readonly file: string; readonly secret: Secret },
  signal: AbortSignal,
): Promise<void> {
  const index = indexOf(found.entries, add.file);
  const known = found.entries?.[index];
  const added = { "@id": add.id, certificate: add.file, key: add.file };
  const change: Change =
    known !== undefined
      ? { method: "PATCH", path: `${LOAD_FILES}/${index}`, body: known }
      : found.entries === null
        ? { method: "PUT", path: LOAD_FILES, body: [added] }
        : { method: "POST", path: LOAD_FILES, body: added };
  const secrets = [add.secret];
  const answer = await call(admin, { ...change, etag: found.etag, expected: [400, 412, 500], secrets }, signal);
  if (answer.status === 200) return;
  const said =
    answer.status === 412
      ? "something else changed its configuration at the same time"
      : sanitizeAnswer(errorText(answer.text) ?? "no reason given", add.secret);
  throw new RenewalError(
    "deploy.commandFailed",
    `${nameOf(admin)} refused its configuration with ${add.file}: ${said}`,
  );
}

function indexOf(entries: readonly Entry[] | null, file: string): number {
  return entries?.findIndex(({ certificate, key }) => certificate === file && key === file) ?? -1;
}

interface Change {
  readonly method: "PATCH" | "PUT" | "POST";
  readonly path: string;
  readonly body: unknown;
}

interface Call {
  readonly method: HttpCall["method"];
  readonly path: string;
  readonly body?: unknown;
  readonly etag?: string | null;
  readonly expected: readonly number[];
  readonly secrets?: readonly Secret[];
}

async function call(
  admin: CaddyAdmin,
  { method, path, body, etag, expected, secrets = [] }: Call,
  signal: AbortSignal,
): Promise<HttpAnswer> {
  const socket = admin.address.startsWith("/");
  const headers = {
    ...(body !== undefined && { "content-type": "application/json", "cache-control": "must-revalidate" }),
    ...(etag != null && { "if-match": etag }),
  };
  const request = {
    ...{
      method,
      headers,
      expected,
      secrets,
      url: new URL(path, socket ? "http://localhost" : `http://${admin.address}`),
    },
    ...(socket && { socketPath: admin.address }),
    ...(body !== undefined && { body: JSON.stringify(body) }),
  };
  return await callHttp({ name: nameOf(admin), timeoutMs: admin.timeoutMs, errorText }, request, signal);
}

function nameOf({ address }: CaddyAdmin): string {
  return `Caddy's admin API at ${address}`;
}
