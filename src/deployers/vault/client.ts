import { readFile } from "node:fs/promises";
import { RenewalError } from "../../domain/errors.ts";
import { Secret } from "../../domain/secret.ts";
import { sanitize } from "../../domain/text.ts";
import { SECOND_MS } from "../../domain/time.ts";
import type { DeployerDependencies } from "../base/dependencies.ts";
import { fileError } from "../base/fileError.ts";
import { answerError, callHttp, failedAnswer, type HttpAnswer, type HttpApi, type HttpCall } from "../base/httpApi.ts";
import { answerBody, jsonOrNull } from "../base/jsonAnswer.ts";
import { readTrust } from "../base/trust.ts";
import {
  capabilitiesAnswer,
  errorText,
  GO_ZERO_YEAR,
  loginAnswer,
  mountAnswer,
  readAnswer,
  secretIdAnswer,
  tokenAnswer,
  writeAnswer,
} from "./answers.ts";
import type { VaultOptions } from "./options.ts";

// https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2, …/api-docs/auth/approle, …/api-docs/auth/kubernetes

/**
 * The current version of a secret. Version 0: there never was one. `data` null: none, or its current version is
 * deleted.
 */
export interface KvSecret {
  readonly version: number;
  readonly data: Readonly<Record<string, unknown>> | null;
}

export interface KvWrite {
  readonly data: Readonly<Record<string, unknown>>;
  /** The version this one must follow; 0: there must be none yet. */
  readonly cas: number;
  readonly secrets: readonly Secret[];
}

export interface VaultToken {
  /** When it ends, in ms since epoch; null: never. */
  readonly ends: number | null;
  /** When it was made, or renewed last. */
  readonly begins: number | null;
}

/** Of a secret ID; what a token has, and how often it may still log in. */
export interface VaultSecretId extends VaultToken {
  /** null: without limit. */
  readonly uses: number | null;
}

/** A logged-in session. Disposing ends the token that was created for it. */
export interface VaultSession extends AsyncDisposable {
  /** What Vault says of the token in use. */
  lookUpToken(signal: AbortSignal): Promise<VaultToken>;
  /**
   * What Vault says of the secret ID that this session logged in with; null: the role's policies do not let it tell.
   * Throws `deploy.forbidden` when Vault knows it no longer.
   */
  lookUpSecretId(signal: AbortSignal): Promise<VaultSecretId | null>;
  read(path: string, signal: AbortSignal): Promise<KvSecret>;
  write(
    path: string,
    write: KvWrite,
    signal: AbortSignal,
  ): Promise<{ readonly version: number } | { readonly refusal: RenewalError }>;
  describe(path: string, metadata: Readonly<Record<string, string>>, signal: AbortSignal): Promise<void>;
  /**
   * Throws `deploy.refused` unless the mount is a KV engine of version 2: version 1 would take our request as the
   * secret itself.
   */
  requireVersion2(signal: AbortSignal): Promise<void>;
  /**
   * Throws `deploy.forbidden` when the token lacks the capability on a path below the mount. A token that may not ask
   * about itself is taken at its word.
   */
  requireCapability(capability: "create" | "update" | "patch", path: string, signal: AbortSignal): Promise<void>;
}

const LOGOUT_TIMEOUT_MS = 2_000;

export async function openVault(
  options: VaultOptions,
  dependencies: DeployerDependencies,
  signal: AbortSignal,
): Promise<VaultSession> {
  const api: HttpApi = {
    name: `Vault at ${new URL(options.address).origin}`,
    timeoutMs: options.timeout,
    ca: await readTrust(options.trust),
    errorText,
  };
  const { token, own, role, secretId } = await logIn(options, api, dependencies, signal);
  const call = (request: Omit<HttpCall, "url"> & { path: string }, until: AbortSignal): Promise<HttpAnswer> =>
    callHttp(
      api,
      {
        ...request,
        url: urlOf(options, request.path),
        headers: headersOf(options, token, request.headers),
        secrets: [token, ...(request.secrets ?? [])],
      },
      until,
    );
  const data = (path: string): string => `${options.mount}/data/${path}`;
  return {
    async lookUpToken(until) {
      const answer = await call({ method: "GET", path: "auth/token/lookup-self" }, until);
      const { expire_time, creation_time, last_renewal_time } = answerBody(api, answer, tokenAnswer).data;
      const begins = last_renewal_time ?? creation_time;
      return {
        ends: expire_time === null ? null : Date.parse(expire_time),
        begins: begins === undefined ? null : begins * SECOND_MS,
      };
    },
    async lookUpSecretId(until) {
      if (role === null || secretId === null) return null;
      const path = `auth/${role.mount}/role/${encodeURIComponent(role.name)}/secret-id/lookup`;
      const body = JSON.stringify({ secret_id: secretId.reveal() });
      const request = { method: "POST", path, body, secrets: [secretId], expected: [403, 404] } as const;
      const answer = await call(request, until);
      if (answer.status === 403) return null;
      // It was used up, or somebody destroyed it, after the login.
      if (answer.status === 404 || answer.status === 204)
        throw new RenewalError("deploy.forbidden", `${api.name}: the role ${role.name} knows the secret ID no longer`);
      const { creation_time, expiration_time, secret_id_num_uses: uses } = answerBody(api, answer, secretIdAnswer).data;
      const ends = expiration_time.startsWith(GO_ZERO_YEAR) ? null : Date.parse(expiration_time);
      return { ends, begins: Date.parse(creation_time), uses: uses === 0 ? null : uses };
    },
    async read(path, until) {
      const answer = await call({ method: "GET", path: data(path), expected: [404] }, until);
      // A secret whose current version is deleted is a 404 as well, but one with a version.
      if (answer.status === 404 && !readAnswer.safeParse(jsonOrNull(answer.text)).success)
        return { version: 0, data: null };
      const { data: held } = answerBody(api, answer, readAnswer);
      return { version: held.metadata.version, data: held.data };
    },
    async write(path, { data: fields, cas, secrets }, until) {
      const body = JSON.stringify({ options: { cas }, data: fields });
      const answer = await call({ method: "POST", path: data(path), body, secrets, expected: [400] }, until);
      if (answer.status === 400)
        return {
          refusal: answerError(failedAnswer(api, `${api.name}: POST /v1/${data(path)}`, answer), [token, ...secrets]),
        };
      return { version: answerBody(api, answer, writeAnswer).data.version };
    },
    async describe(path, metadata, until) {
      const headers = { "content-type": "application/merge-patch+json" };
      await call(
        {
          method: "PATCH",
          path: `${options.mount}/metadata/${path}`,
          headers,
          body: JSON.stringify({ custom_metadata: metadata }),
        },
        until,
      );
    },
    async requireVersion2(until) {
      // The `vault kv` command asks the same: any token with some right in the mount may read it.
      const { data: mount } = answerBody(
        api,
        await call({ method: "GET", path: `sys/internal/ui/mounts/${options.mount}` }, until),
        mountAnswer,
      );
      if (mount.type === "kv" && mount.options?.version === "2") return;
      const what =
        mount.type === "kv"
          ? "a KV engine of version 1 (`vault kv enable-versioning` upgrades it)"
          : `no KV engine but ${mount.type}`;
      throw new RenewalError("deploy.refused", `${api.name}: ${options.mount} is ${what}; this target needs version 2`);
    },
    async requireCapability(capability, path, until) {
      const full = `${options.mount}/${path}`;
      const body = JSON.stringify({ paths: [full] });
      // The policy `default`, which nearly every token has, permits the question.
      const answer = await call({ method: "POST", path: "sys/capabilities-self", body, expected: [403] }, until);
      if (answer.status === 403) return;
      const { capabilities } = answerBody(api, answer, capabilitiesAnswer);
      if (capabilities.includes(capability) || capabilities.includes("root")) return;
      throw new RenewalError(
        "deploy.forbidden",
        `${api.name}: renewd needs the capability "${capability}" on ${full}, and its token has ` +
          `${sanitize(capabilities.join(", "), 100)}`,
      );
    },
    async [Symbol.asyncDispose]() {
      if (!own) return;
      // Only a courtesy: the token also ends with its time to live.
      await call({ method: "POST", path: "auth/token/revoke-self" }, AbortSignal.timeout(LOGOUT_TIMEOUT_MS)).catch(
        () => undefined,
      );
    },
  };
}

interface Login {
  readonly token: Secret;
  /** Whether it was made for this session. */
  readonly own: boolean;
  /** Of AppRole. */
  readonly role: { readonly mount: string; readonly name: string } | null;
  readonly secretId: Secret | null;
}

async function logIn(
  options: VaultOptions,
  api: HttpApi,
  { secret }: DeployerDependencies,
  signal: AbortSignal,
): Promise<Login> {
  const { auth } = options;
  if ("token" in auth) return { token: await secret(auth.token), own: false, role: null, secretId: null };
  const isRole = "appRole" in auth;
  const credential = isRole ? await secret(auth.appRole.secretId) : await podToken(auth.kubernetes.tokenFile);
  const body = isRole
    ? { role_id: auth.appRole.roleId, secret_id: credential.reveal() }
    : { role: auth.kubernetes.role, jwt: credential.reveal() };
  const url = urlOf(options, `auth/${isRole ? auth.appRole.mount : auth.kubernetes.mount}/login`);
  const request = {
    method: "POST",
    url,
    headers: headersOf(options, null),
    body: JSON.stringify(body),
    secrets: [credential],
    expected: [400],
  } as const;
  const answer = await callHttp(api, request, signal);
  // AppRole answers 400 to a wrong or used-up secret ID, which a person can fix.
  if (answer.status === 400)
    throw new RenewalError(
      "deploy.forbidden",
      `${api.name}: ${url.pathname}: the login was refused; check the role and its credential`,
    );
  const { client_token, metadata } = answerBody(api, answer, loginAnswer).auth;
  const name = metadata?.role_name;
  const role = isRole && name !== undefined ? { mount: auth.appRole.mount, name } : null;
  return { token: new Secret(client_token), own: true, role, secretId: isRole ? credential : null };
}

/** Read each time: the kubelet replaces it before it expires. */
async function podToken(path: string): Promise<Secret> {
  const text = await readFile(path, "utf8").catch((error) => {
    throw fileError(error, path);
  });
  return new Secret(text.trim());
}

function urlOf(options: VaultOptions, path: string): URL {
  return new URL(`${options.address.replace(/\/+$/, "")}/v1/${path}`);
}

function headersOf(
  options: VaultOptions,
  token: Secret | null,
  more: Readonly<Record<string, string>> = {},
): Record<string, string> {
  return {
    "content-type": "application/json",
    // Without it an agent or proxy in between may refuse the request (Vault API documentation, "The X-Vault-Request
    // header").
    "x-vault-request": "true",
    ...(token !== null && { "x-vault-token": token.reveal() }),
    ...(options.namespace !== undefined && { "x-vault-namespace": options.namespace }),
    ...more,
  };
}
