import type { ConfigurationOptions, KubeConfig, V1Secret } from "@kubernetes/client-node";
import { RenewalError } from "../../domain/errors.ts";
import type { CredentialEnd } from "../../domain/horizon.ts";
import { CLEAR_TEXT_REFUSED, isClearText } from "../../domain/loopback.ts";
import type { Secret } from "../../domain/secret.ts";
import { fileError } from "../base/fileError.ts";
import { optionalPackage } from "../base/optionalPackage.ts";
import { callSdk } from "../base/sdkCall.ts";
import { credentialEnds } from "./credentials.ts";
import { type KubernetesFailure, kubernetesError, readFailure } from "./error.ts";

export interface KubernetesAccess {
  readonly kubeconfig: string | undefined;
  readonly context: string | undefined;
  readonly timeoutMs: number;
}

export interface Place {
  readonly namespace: string;
  readonly name: string;
}

export interface SecretWrite {
  readonly secret: V1Secret;
  /** Never shown when the server quotes them. */
  readonly secrets: readonly Secret[];
}

export interface SecretApply extends SecretWrite {
  /** The one that was read. */
  readonly resourceVersion: string;
  /** Also take fields that others own. */
  readonly force: boolean;
}

/** The calls renewd makes. Every failure is a RenewalError. No call is retried here: only `renewal/` decides that. */
export interface Kubernetes {
  /** null: there is no such secret. */
  read(place: Place, signal: AbortSignal): Promise<V1Secret | null>;
  /** The `tls.crt` of every TLS secret of the namespace. Their keys come along, and go no further than here. */
  listTls(
    namespace: string,
    found: (secret: { readonly name: string; readonly certificate: string; readonly secret: V1Secret }) => void,
    signal: AbortSignal,
  ): Promise<void>;
  /** False: something else has created it in the meantime. */
  create(write: SecretWrite, signal: AbortSignal): Promise<boolean>;
  /**
   * False: something else has changed it in the meantime. Throws `deploy.refused` when others own what we want to
   * write.
   */
  apply(write: SecretApply, signal: AbortSignal): Promise<boolean>;
  /** Throws `deploy.forbidden` unless we may. */
  require(verb: "create" | "patch", place: Place, signal: AbortSignal): Promise<void>;
  /** When what the kubeconfig logs in with ends. */
  credentials(): Promise<CredentialEnd[]>;
}

const FIELD_MANAGER = "renewd";
const PAGE_SIZE = 100;
const PAGES_MAX = 200;

type Sdk = typeof import("@kubernetes/client-node");

interface Loaded {
  readonly sdk: Sdk;
  /** Read for each call: credentials in it are replaced while we run. */
  readonly config: KubeConfig;
  readonly server: string;
}

export function createKubernetes(access: KubernetesAccess): Kubernetes {
  const load = async (): Promise<Loaded> => {
    // Loaded at first use: it takes longer to load than most commands to run.
    const sdk: Sdk = await optionalPackage("@kubernetes/client-node", () => import("@kubernetes/client-node"));
    return { sdk, ...readConfig(sdk, access) };
  };

  async function call<T>(
    verb: string,
    { namespace, name }: Place,
    secrets: readonly Secret[],
    signal: AbortSignal,
    send: (loaded: Loaded, options: (more?: Record<string, string>) => ConfigurationOptions) => Promise<T>,
    expected: (failure: KubernetesFailure) => T | undefined = () => undefined,
  ): Promise<T> {
    signal.throwIfAborted();
    const loaded = await load();
    const what = `Kubernetes at ${loaded.server}: ${verb} secret ${namespace}/${name}`;
    const run = async (until: AbortSignal): Promise<T> => {
      try {
        return await send(loaded, (headers = {}) => requestOptions(loaded.sdk, until, headers));
      } catch (error) {
        const failure = readFailure(error);
        const options = failure === null ? undefined : expected(failure);
        if (options === undefined) throw error;
        return options;
      }
    };
    return await callSdk(
      { what, timeoutMs: access.timeoutMs, run, translate: (error) => kubernetesError(error, { what, secrets }) },
      signal,
    );
  }

  return {
    async read(place, signal) {
      const missing = ({ status }: KubernetesFailure): null | undefined => (status === 404 ? null : undefined);
      return await call<V1Secret | null>(
        "get",
        place,
        [],
        signal,
        ({ sdk, config }, options) => config.makeApiClient(sdk.CoreV1Api).readNamespacedSecret(place, options()),
        missing,
      );
    },
    async listTls(namespace, found, signal) {
      let mark: string | undefined;
      for (let page = 0; page < PAGES_MAX; page++) {
        const asked = {
          namespace,
          fieldSelector: "type=kubernetes.io/tls",
          limit: PAGE_SIZE,
          ...(mark !== undefined && { _continue: mark }),
        };
        const list = await call("list", { namespace, name: "" }, [], signal, ({ sdk, config }, options) =>
          config.makeApiClient(sdk.CoreV1Api).listNamespacedSecret(asked, options()),
        );
        for (const secret of list.items) {
          const certificate = Buffer.from(secret.data?.["tls.crt"] ?? "", "base64").toString("latin1");
          const { "tls.key": _key, ...data } = secret.data ?? {};
          found({ name: secret.metadata?.name ?? "", certificate, secret: { ...secret, data } });
        }
        mark = list.metadata?._continue;
        if (mark === undefined || mark === "") return;
      }
    },
    async create({ secret, secrets }, signal) {
      const exists = ({ reason }: KubernetesFailure): false | undefined =>
        reason === "AlreadyExists" ? false : undefined;
      const place = placeOf(secret);
      const send = async ({ sdk, config }: Loaded, options: () => ConfigurationOptions): Promise<boolean> => {
        await config
          .makeApiClient(sdk.CoreV1Api)
          .createNamespacedSecret({ namespace: place.namespace, body: secret, fieldManager: FIELD_MANAGER }, options());
        return true;
      };
      return await call<boolean>("create", place, secrets, signal, send, exists);
    },
    async apply({ secret, secrets, resourceVersion, force }, signal) {
      const place = placeOf(secret);
      const body = { ...secret, metadata: { ...secret.metadata, resourceVersion } };
      // A conflict over a version has no causes; one over fields names their owners (Server-Side Apply, "Conflicts").
      const changed = ({ status, owners }: KubernetesFailure): false | undefined =>
        status === 409 && owners.length === 0 ? false : undefined;
      const send = async (
        { sdk, config }: Loaded,
        options: (headers: Record<string, string>) => ConfigurationOptions,
      ): Promise<boolean> => {
        const headers = { "Content-Type": sdk.PatchStrategy.ServerSideApply };
        await config
          .makeApiClient(sdk.CoreV1Api)
          .patchNamespacedSecret({ ...place, body, fieldManager: FIELD_MANAGER, force }, options(headers));
        return true;
      };
      return await call<boolean>("patch", place, secrets, signal, send, changed);
    },
    async credentials() {
      const user = (await load()).config.getCurrentUser();
      return user === null ? [] : credentialEnds(user);
    },
    async require(verb, place, signal) {
      // Every authenticated user may ask what it may do itself (role system:basic-user).
      const resourceAttributes = { ...place, verb, group: "", resource: "secrets" };
      const review = await call("review access to", place, [], signal, ({ sdk, config }, options) =>
        config
          .makeApiClient(sdk.AuthorizationV1Api)
          .createSelfSubjectAccessReview({ body: { spec: { resourceAttributes } } }, options()),
      );
      if (review.status?.allowed === true) return;
      throw new RenewalError(
        "deploy.forbidden",
        `renewd needs the permission to ${verb} secret ${place.namespace}/${place.name} (RBAC: resource secrets)`,
      );
    },
  };
}

/** Our signal and headers for one request; the client knows neither as a parameter. */
function requestOptions(
  sdk: Sdk,
  signal: AbortSignal,
  headers: Readonly<Record<string, string>>,
): ConfigurationOptions {
  return {
    middleware: [
      {
        pre(context) {
          context.setSignal(signal);
          for (const [name, value] of Object.entries(headers)) context.setHeaderParam(name, value);
          return new sdk.Observable(Promise.resolve(context));
        },
        post: (context) => new sdk.Observable(Promise.resolve(context)),
      },
    ],
    middlewareMergeStrategy: "append",
  };
}

function readConfig(sdk: Sdk, { kubeconfig, context }: KubernetesAccess): { config: KubeConfig; server: string } {
  const config = new sdk.KubeConfig();
  const shown = kubeconfig ?? "the default kubeconfig";
  try {
    if (kubeconfig === undefined) config.loadFromDefault();
    else config.loadFromFile(kubeconfig);
  } catch (error) {
    if (error instanceof Error && "errno" in error) throw fileError(error, shown);
    // The parser's text may quote the file, which holds credentials.
    throw new RenewalError("deploy.refused", `${shown} is not a kubeconfig that can be read`);
  }
  if (context !== undefined) config.setCurrentContext(context);
  const cluster = config.getCurrentCluster();
  if (cluster === null)
    throw new RenewalError(
      "deploy.refused",
      `${shown} has no cluster for ${context === undefined ? "its current context" : `the context ${context}`}`,
    );
  if (cluster.skipTLSVerify === true) {
    throw new RenewalError(
      "deploy.refused",
      `${shown} switches TLS verification off for ${cluster.server}; give its CA (certificate-authority) instead`,
    );
  }
  if (isClearText(cluster.server))
    throw new RenewalError("deploy.refused", `${cluster.server} of ${shown} ${CLEAR_TEXT_REFUSED}`);
  return { config, server: cluster.server };
}

function placeOf({ metadata }: V1Secret): Place {
  return { namespace: metadata?.namespace ?? "", name: metadata?.name ?? "" };
}
