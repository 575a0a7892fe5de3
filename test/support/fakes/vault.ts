// Vault cannot be had here, so this fake enforces what its API documentation says of the KV engine, version 2
// (developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2), of tokens, AppRole and Kubernetes logins, of namespaces,
// and of errors (…/api-docs#http-status-codes: 400 invalid, 403 no token or policy, 404 nothing there, 503 sealed).
import { randomUUID } from "node:crypto";
import { z } from "zod";
import { type ApiFake, type ApiReply, type ApiRequest, startApiFake } from "./api.ts";

export interface VaultFakeOptions {
  readonly token?: string;
  readonly namespace?: string;
  /** Version of the KV engine mounted at `secret`. */
  readonly kvVersion?: "1" | "2";
  readonly appRole?: {
    readonly roleId: string;
    readonly secretId: string;
    /** As `secret-id/lookup` tells: its times (RFC 3339) and the logins left, 0 without limit. Left out: no policy lets it. */
    readonly lookup?: { readonly creation: string; readonly expiration: string; readonly uses: number };
  };
  readonly kubernetes?: { readonly role: string; readonly jwt: string };
  /** What the token's policies grant below `secret/`, by the beginning of a path. Left out: all. */
  readonly granted?: Readonly<Record<string, readonly string[]>>;
  /** The token lacks the policy `default`, so it may not ask what it may do. */
  readonly mute?: boolean;
  /** Of the token, in seconds since epoch; `expires` null: never. Left out: it never expires. */
  readonly times?: { readonly created: number; readonly renewed?: number; readonly expires: number | null };
}

interface KvVersion {
  readonly data: Readonly<Record<string, unknown>>;
  deleted: boolean;
}

interface Entry {
  readonly versions: KvVersion[];
  customMetadata: Record<string, string>;
}

export interface VaultFake extends ApiFake {
  readonly token: string;
  /** Data of the current version; null: there is none, or it is deleted. */
  current(path: string): Readonly<Record<string, unknown>> | null;
  version(path: string): number;
  customMetadata(path: string): Readonly<Record<string, string>>;
  /** Writes as somebody else would. */
  put(path: string, data: Readonly<Record<string, unknown>>): void;
  /** Soft-deletes the current version. */
  remove(path: string): void;
  /** Runs once, right after the next read of this path was answered from what was there before. */
  afterNextRead(path: string, act: () => void): void;
  seal(sealed: boolean): void;
  /** Tokens handed out by logins and not revoked yet. */
  readonly openTokens: ReadonlySet<string>;
}

const ROLE = "renewd-edge";
const CUSTOM_METADATA_KEYS_MAX = 64;
const writeBody = z.object({
  data: z.record(z.string(), z.unknown()),
  options: z.object({ cas: z.number().int().nonnegative().optional() }).optional(),
});
const metadataBody = z.object({ custom_metadata: z.record(z.string().max(128), z.string().max(512)) });

export async function startVaultFake(options: VaultFakeOptions = {}): Promise<VaultFake> {
  const rootToken = options.token ?? "hvs.test-token-0123456789";
  const entries = new Map<string, Entry>();
  const openTokens = new Set<string>();
  const afterReads = new Map<string, () => void>();
  let sealed = false;
  const failed = (status: number, ...errors: string[]): ApiReply => ({ status, body: { errors } });
  const newest = (path: string): KvVersion | undefined => entries.get(path)?.versions.at(-1);
  const put = (path: string, data: Readonly<Record<string, unknown>>): number => {
    const entry = entries.get(path) ?? { versions: [], customMetadata: {} };
    entries.set(path, entry);
    return entry.versions.push({ data, deleted: false });
  };

  function read(path: string): ApiReply {
    const entry = entries.get(path);
    const last = newest(path);
    const act = afterReads.get(path);
    afterReads.delete(path);
    const reply = ((): ApiReply => {
      if (entry === undefined || last === undefined) return failed(404);
      const metadata = {
        version: entry.versions.length,
        destroyed: false,
        deletion_time: last.deleted ? new Date().toISOString() : "",
      };
      return last.deleted
        ? { status: 404, body: { data: { data: null, metadata } } }
        : { status: 200, body: { data: { data: last.data, metadata } } };
    })();
    act?.();
    return reply;
  }

  function write(path: string, body: string): ApiReply {
    const parsed = writeBody.safeParse(json(body));
    if (!parsed.success) return failed(400, "no data provided");
    const { cas } = parsed.data.options ?? {};
    if (cas !== undefined && cas !== (entries.get(path)?.versions.length ?? 0)) {
      return failed(400, "check-and-set parameter did not match the current version");
    }
    const version = put(path, parsed.data.data);
    return {
      status: 200,
      body: { data: { version, created_time: new Date().toISOString(), deletion_time: "", destroyed: false } },
    };
  }

  function patchMetadata(path: string, { headers, body }: ApiRequest): ApiReply {
    if (headers["content-type"] !== "application/merge-patch+json")
      return failed(415, "PATCH requires Content-Type of application/merge-patch+json");
    const entry = entries.get(path);
    if (entry === undefined) return failed(404);
    const parsed = metadataBody.safeParse(json(body));
    if (!parsed.success) return failed(400, "custom_metadata validation failed");
    const merged = { ...entry.customMetadata, ...parsed.data.custom_metadata };
    if (Object.keys(merged).length > CUSTOM_METADATA_KEYS_MAX)
      return failed(400, "custom_metadata validation failed: too many keys");
    entry.customMetadata = merged;
    return { status: 204 };
  }

  function logIn(path: string, body: string): ApiReply | null {
    const sent = z.record(z.string(), z.string()).safeParse(json(body)).data ?? {};
    const { appRole, kubernetes } = options;
    const right =
      (path === "/v1/auth/approle/login" &&
        appRole !== undefined &&
        sent.role_id === appRole.roleId &&
        sent.secret_id === appRole.secretId) ||
      (path === "/v1/auth/kubernetes/login" &&
        kubernetes !== undefined &&
        sent.role === kubernetes.role &&
        sent.jwt === kubernetes.jwt);
    if (!path.endsWith("/login")) return null;
    if (!right) return failed(path.includes("approle") ? 400 : 403, "invalid role or secret ID");
    const token = `hvs.${randomUUID()}`;
    openTokens.add(token);
    const metadata = path.includes("approle") ? { role_name: ROLE } : { service_account_name: "renewd" };
    return { status: 200, body: { auth: { client_token: token, metadata, lease_duration: 1200, renewable: true } } };
  }

  function lookUpSecretId(body: string): ApiReply {
    const { appRole } = options;
    if (appRole?.lookup === undefined) return failed(403, "1 error occurred:\n\t* permission denied\n\n");
    const { creation, expiration, uses } = appRole.lookup;
    // No content for one that it does not know, or that is used up.
    if (z.object({ secret_id: z.string() }).safeParse(json(body)).data?.secret_id !== appRole.secretId || uses < 0)
      return { status: 204 };
    const times = { creation_time: creation, expiration_time: expiration, last_updated_time: creation };
    const data = { ...times, secret_id_num_uses: uses, secret_id_ttl: 600, secret_id_accessor: randomUUID() };
    return { status: 200, body: { data: { ...data, cidr_list: [], metadata: {}, token_bound_cidrs: [] } } };
  }

  function capabilitiesOn(path: string): readonly string[] {
    if (options.granted === undefined) return ["root"];
    return Object.entries(options.granted).find(([start]) => path.startsWith(start))?.[1] ?? ["deny"];
  }

  function answer(request: ApiRequest): ApiReply {
    const { method, path, headers } = request;
    if (sealed) return failed(503, "Vault is sealed");
    if (headers["x-vault-request"] !== "true") return failed(412, "missing 'X-Vault-Request' header");
    if ((headers["x-vault-namespace"] ?? undefined) !== options.namespace)
      return failed(404, `no handler for route "${path.slice(4)}". route entry not found.`);
    const login = method === "POST" ? logIn(path, request.body) : null;
    if (login !== null) return login;
    const token = String(headers["x-vault-token"] ?? "");
    if (token !== rootToken && !openTokens.has(token)) return failed(403, "permission denied");
    if (method === "GET" && path === "/v1/auth/token/lookup-self") {
      const { created = 0, renewed, expires = null } = options.times ?? {};
      const expire_time = expires === null ? null : new Date(expires * 1_000).toISOString();
      const last = renewed === undefined ? {} : { last_renewal_time: renewed };
      return { status: 200, body: { data: { creation_time: created, expire_time, renewable: true, ...last } } };
    }
    if (method === "POST" && path === `/v1/auth/approle/role/${ROLE}/secret-id/lookup`)
      return lookUpSecretId(request.body);
    if (method === "POST" && path === "/v1/auth/token/revoke-self")
      return openTokens.delete(token) ? { status: 204 } : failed(400, "not revoked");
    const mount = /^\/v1\/sys\/internal\/ui\/mounts\/(.+)$/.exec(path)?.[1];
    // For a mount that does not exist the answer is the same as for one the token may not see.
    if (mount !== undefined) {
      if (mount !== "secret")
        return failed(
          403,
          "preflight capability check returned 403, please ensure client's policies grant access to path",
        );
      return {
        status: 200,
        body: { data: { path: "secret/", type: "kv", options: { version: options.kvVersion ?? "2" } } },
      };
    }
    if (method === "POST" && path === "/v1/sys/capabilities-self") {
      if (options.mute) return failed(403, "permission denied");
      const [asked = ""] = z.object({ paths: z.array(z.string()) }).parse(json(request.body)).paths;
      return { status: 200, body: { capabilities: capabilitiesOn(asked), [asked]: capabilitiesOn(asked) } };
    }
    const [, kind = "", name = ""] = /^\/v1\/secret\/(data|metadata)\/(.+)$/.exec(path) ?? [];
    if (options.kvVersion === "1") return method === "GET" ? failed(404) : { status: 204 };
    // Writing what exists is an update, also after its deletion (Vault's policies, "Capabilities").
    const needed = method === "GET" ? "read" : method === "PATCH" ? "patch" : entries.has(name) ? "update" : "create";
    if (!["root", needed].some((one) => capabilitiesOn(path.slice("/v1/".length)).includes(one)))
      return failed(403, "1 error occurred:\n\t* permission denied\n\n");
    if (kind === "data" && method === "GET") return read(name);
    if (kind === "data" && (method === "POST" || method === "PUT")) return write(name, request.body);
    if (kind === "metadata" && method === "PATCH") return patchMetadata(name, request);
    return failed(404, `no handler for route "${path.slice(4)}". route entry not found.`);
  }

  const api = await startApiFake(answer);
  return {
    ...api,
    token: rootToken,
    openTokens,
    current(path) {
      const last = newest(path);
      return last === undefined || last.deleted ? null : last.data;
    },
    version: (path) => entries.get(path)?.versions.length ?? 0,
    customMetadata: (path) => entries.get(path)?.customMetadata ?? {},
    put: (path, data) => void put(path, data),
    remove(path) {
      const last = newest(path);
      if (last !== undefined) last.deleted = true;
    },
    afterNextRead: (path, act) => void afterReads.set(path, act),
    seal(now) {
      sealed = now;
    },
  };
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
