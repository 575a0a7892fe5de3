import type { SecretManagerServiceClient } from "@google-cloud/secret-manager";
import { RenewalError } from "../../domain/errors.ts";
import { Secret } from "../../domain/secret.ts";
import type { DeployerDependencies } from "../base/dependencies.ts";
import { optionalPackage } from "../base/optionalPackage.ts";
import { callGoogle, clientOptions, type GoogleAccess, googleStatus, ONCE } from "./client.ts";

export interface HeldSecret {
  readonly etag: string;
  readonly annotations: Readonly<Record<string, string>>;
}

/** The calls renewd makes. Every failure is a RenewalError. No call is retried here: only `renewal/` decides that. */
export interface SecretManager {
  /** null: there is no such secret. */
  read(name: string, signal: AbortSignal): Promise<HeldSecret | null>;
  /** Number of the newest version; null: the secret has none, or it is not enabled. */
  latest(name: string, signal: AbortSignal): Promise<string | null>;
  /** The payload of a version. */
  access(name: string, version: string, signal: AbortSignal): Promise<Secret>;
  /** Returns the etag. */
  create(
    request: { readonly name: string; readonly annotations: Record<string, string> },
    signal: AbortSignal,
  ): Promise<string>;
  /** Returns the number of the version. */
  add(
    request: { readonly name: string; readonly payload: Secret; readonly privateKey: Secret },
    signal: AbortSignal,
  ): Promise<string>;
  /** On this etag only. */
  annotate(
    request: { readonly name: string; readonly etag: string; readonly annotations: Record<string, string> },
    signal: AbortSignal,
  ): Promise<{ readonly etag: string } | { readonly refusal: RenewalError }>;
  /** Throws `deploy.forbidden` unless we have all of these on a secret that exists. */
  require(name: string, permissions: readonly string[], signal: AbortSignal): Promise<void>;
}

interface Asked {
  readonly permission: string;
  readonly name: string;
  readonly secrets?: readonly Secret[];
}

export function createSecretManager(
  access: GoogleAccess & { readonly timeoutMs: number },
  dependencies: DeployerDependencies,
): SecretManager {
  async function call<T>(
    { permission, name, secrets = [] }: Asked,
    signal: AbortSignal,
    send: (client: SecretManagerServiceClient) => Promise<T>,
  ): Promise<T> {
    signal.throwIfAborted();
    const run = async (): Promise<T> => {
      const { SecretManagerServiceClient: Client } = await optionalPackage(
        "@google-cloud/secret-manager",
        () => import("@google-cloud/secret-manager"),
      );
      return await send(new Client(await clientOptions(access, dependencies)));
    };
    const what = `Google Secret Manager: ${permission} ${name}`;
    return await callGoogle(
      { what, permission: `secretmanager.${permission}`, timeoutMs: access.timeoutMs, secrets, run },
      signal,
    );
  }

  return {
    async read(name, signal) {
      return await call({ permission: "secrets.get", name }, signal, async (client) => {
        const answer = await orNull(client.getSecret({ name }, ONCE));
        return answer === null ? null : { etag: answer[0].etag ?? "", annotations: answer[0].annotations ?? {} };
      });
    },
    async latest(name, signal) {
      return await call({ permission: "versions.get", name }, signal, async (client) => {
        const answer = await orNull(client.getSecretVersion({ name: `${name}/versions/latest` }, ONCE));
        const enabled = answer?.[0].state === "ENABLED";
        return enabled ? numberOf(answer[0].name) : null;
      });
    },
    async access(name, version, signal) {
      return await call({ permission: "versions.access", name }, signal, async (client) => {
        const [answer] = await client.accessSecretVersion({ name: `${name}/versions/${version}` }, ONCE);
        return new Secret(Buffer.from(answer.payload?.data ?? "").toString("utf8"));
      });
    },
    async create({ name, annotations }, signal) {
      const [parent = "", secretId = ""] = name.split("/secrets/");
      return await call({ permission: "secrets.create", name }, signal, async (client) => {
        const [created] = await client.createSecret(
          { parent, secretId, secret: { replication: { automatic: {} }, annotations } },
          ONCE,
        );
        return created.etag ?? "";
      });
    },
    async add({ name, payload, privateKey }, signal) {
      return await call({ permission: "versions.add", name, secrets: [privateKey] }, signal, async (client) => {
        const [created] = await client.addSecretVersion(
          { parent: name, payload: { data: Buffer.from(payload.reveal()) } },
          ONCE,
        );
        return numberOf(created.name);
      });
    },
    async require(name, permissions, signal) {
      // Everybody may ask what they may do (google.iam.v1, TestIamPermissions).
      const wanted = permissions.map((permission) => `secretmanager.${permission}`);
      const granted = await call({ permission: "secrets.get", name }, signal, async (client) => {
        const [answer] = await client.testIamPermissions({ resource: name, permissions: wanted }, ONCE);
        return answer.permissions ?? [];
      });
      const missing = wanted.filter((permission) => !granted.includes(permission));
      if (missing.length > 0)
        throw new RenewalError("deploy.forbidden", `renewd needs the permission ${missing.join(", ")} on ${name}`);
    },
    async annotate({ name, etag, annotations }, signal) {
      try {
        return await call({ permission: "secrets.update", name }, signal, async (client) => {
          const [created] = await client.updateSecret(
            { secret: { name, annotations, etag }, updateMask: { paths: ["annotations"] } },
            ONCE,
          );
          return { etag: created.etag ?? "" };
        });
      } catch (error) {
        // A stale etag is FAILED_PRECONDITION here and ABORTED by Google's own rule (google.aip.dev/154): the caller
        // reads again.
        if (error instanceof RenewalError && (error.code === "deploy.refused" || error.code === "deploy.unreachable"))
          return { refusal: error };
        throw error;
      }
    },
  };
}

async function orNull<T>(asked: Promise<T>): Promise<T | null> {
  return await asked.catch((error: unknown) => {
    if (googleStatus(error) === 404) return null;
    throw error;
  });
}

function numberOf(name: string | null | undefined): string {
  return name?.split("/").at(-1) ?? "";
}
