// A Kubernetes API server cannot run here, so this fake serves secrets over HTTPS with the documented rules
// (kubernetesRules.ts) to the real client: bearer tokens, RBAC, Status errors, optimistic locking, Server-Side Apply.
import { randomUUID } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { type ApiFake, type ApiReply, type ApiRequest, startApiFake } from "./api.ts";
import {
  applyPatch,
  KubernetesFault,
  type Manager,
  ownedByUpdate,
  type SecretObject,
  secretBody,
  validate,
} from "./kubernetesRules.ts";

export interface KubernetesFake extends ApiFake {
  /** A kubeconfig file for it: context `edge`, and `nowhere` without a cluster. */
  readonly kubeconfig: string;
  secret(namespace: string, name: string): SecretObject | null;
  managers(namespace: string, name: string): readonly Manager[];
  /** Writes as somebody else would (PUT), owning what it changes. */
  put(manager: string, secret: SecretObject): void;
  /** The service account may no longer do this. */
  forbid(verb: "get" | "create" | "patch"): void;
  /** Runs once, right after the next read was answered from what was there before. */
  afterNextRead(act: () => void): void;
}

interface Stored {
  object: SecretObject;
  managers: readonly Manager[];
  version: number;
}

const review = z.object({
  spec: z.object({
    resourceAttributes: z.object({ verb: z.string(), resource: z.literal("secrets"), namespace: z.string() }),
  }),
});

export async function startKubernetesFake(): Promise<KubernetesFake> {
  const token = `token-${randomUUID()}`;
  const stored = new Map<string, Stored>();
  const forbidden = new Set<string>();
  let afterRead: (() => void) | null = null;
  let revision = 100;
  const at = (namespace: string, name: string): string => `${namespace}/${name}`;

  const view = ({ object, version }: Stored): ApiReply => ({
    status: 200,
    body: { ...object, metadata: { ...object.metadata, resourceVersion: String(version), uid: "c0ffee" } },
  });
  const store = (object: SecretObject, managers: readonly Manager[]): Stored => {
    const held = { object, managers, version: ++revision };
    stored.set(at(object.metadata.namespace, object.metadata.name), held);
    return held;
  };
  const put = (manager: string, object: SecretObject): void => {
    const before = stored.get(at(object.metadata.namespace, object.metadata.name));
    store(object, ownedByUpdate(before ?? null, object, manager));
  };

  function check(verb: string, namespace: string, name: string): void {
    if (!forbidden.has(verb)) return;
    const message = `secrets "${name}" is forbidden: User "system:serviceaccount:renewd:renewd" cannot ${verb} resource "secrets" in API group "" in the namespace "${namespace}"`;
    throw new KubernetesFault(403, "Forbidden", message);
  }

  function create({ body, query }: ApiRequest, namespace: string): ApiReply {
    const object = secretBody(body, namespace);
    check("create", namespace, object.metadata.name);
    if (stored.has(at(namespace, object.metadata.name)))
      throw new KubernetesFault(409, "AlreadyExists", `secrets "${object.metadata.name}" already exists`);
    if (object.metadata.resourceVersion !== undefined) {
      throw new KubernetesFault(400, "BadRequest", "resourceVersion should not be set on objects to be created");
    }
    validate(object, null);
    return { ...view(store(object, ownedByUpdate(null, object, query.get("fieldManager") ?? "unknown"))), status: 201 };
  }

  function apply(request: ApiRequest, namespace: string, name: string): ApiReply {
    check("patch", namespace, name);
    const manager = request.query.get("fieldManager");
    if (request.headers["content-type"] !== "application/apply-patch+yaml")
      throw new KubernetesFault(415, "UnsupportedMediaType", "the fake knows apply only");
    if (manager === null)
      throw new KubernetesFault(
        422,
        "Invalid",
        "PatchOptions.meta.k8s.io is invalid: fieldManager: Required value: is required for apply patch",
      );
    const held = stored.get(at(namespace, name)) ?? null;
    const patch = secretBody(request.body, namespace);
    const { resourceVersion } = patch.metadata;
    if (resourceVersion !== undefined && resourceVersion !== String(held?.version)) {
      const message = `Operation cannot be fulfilled on secrets "${name}": the object has been modified; please apply your changes to the latest version and try again`;
      throw new KubernetesFault(409, "Conflict", message);
    }
    const { object, managers } = applyPatch(held, patch, { manager, force: request.query.get("force") === "true" });
    validate(object, held?.object ?? null);
    return view(store(object, managers));
  }

  /** One a page, whatever the limit: the server may answer with fewer. */
  function list({ query }: ApiRequest, namespace: string): ApiReply {
    check("list", namespace, "");
    const type = query.get("fieldSelector")?.replace("type=", "") ?? null;
    const all = [...stored.values()].filter(
      ({ object }) => object.metadata.namespace === namespace && (type === null || object.type === type),
    );
    const from = Number(query.get("continue") ?? "0");
    const metadata = { resourceVersion: "1", ...(from + 1 < all.length && { continue: String(from + 1) }) };
    const items = all.slice(from, from + 1).map((each) => view(each).body);
    return { status: 200, body: { apiVersion: "v1", kind: "SecretList", metadata, items } };
  }

  function route(request: ApiRequest): ApiReply {
    if (request.headers.authorization !== `Bearer ${token}`)
      throw new KubernetesFault(401, "Unauthorized", "Unauthorized");
    if (request.path === "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews" && request.method === "POST") {
      const { spec } = review.parse(JSON.parse(request.body));
      return {
        status: 201,
        body: {
          apiVersion: "authorization.k8s.io/v1",
          kind: "SelfSubjectAccessReview",
          spec,
          status: { allowed: !forbidden.has(spec.resourceAttributes.verb) },
        },
      };
    }
    const [, namespace = "", name] = /^\/api\/v1\/namespaces\/([^/]+)\/secrets(?:\/([^/]+))?$/.exec(request.path) ?? [];
    if (namespace === "")
      throw new KubernetesFault(404, "NotFound", "the server could not find the requested resource");
    if (request.method === "POST" && name === undefined) return create(request, namespace);
    if (request.method === "PATCH" && name !== undefined) return apply(request, namespace, name);
    if (request.method === "GET" && name === undefined) return list(request, namespace);
    if (request.method !== "GET" || name === undefined)
      throw new KubernetesFault(405, "MethodNotAllowed", "the fake knows no such method");
    check("get", namespace, name);
    const held = stored.get(at(namespace, name));
    const reply =
      held === undefined ? new KubernetesFault(404, "NotFound", `secrets "${name}" not found`).reply() : view(held);
    const act = afterRead;
    afterRead = null;
    act?.();
    return reply;
  }

  const api = await startApiFake(
    (request) => {
      try {
        return route(request);
      } catch (error) {
        if (error instanceof KubernetesFault) return error.reply();
        throw error;
      }
    },
    { tls: ["kubernetes.test"] },
  );
  const directory = await mkdtemp(join(tmpdir(), "renewd-kubeconfig-"));
  const kubeconfig = join(directory, "config.yaml");
  await writeFile(kubeconfig, kubeconfigOf(api, token), { mode: 0o600 });
  const stop = async (): Promise<void> => {
    await api.stop();
    await rm(directory, { recursive: true, force: true });
  };
  return {
    ...api,
    kubeconfig,
    secret: (namespace, name) => stored.get(at(namespace, name))?.object ?? null,
    managers: (namespace, name) => stored.get(at(namespace, name))?.managers ?? [],
    put,
    forbid: (verb) => void forbidden.add(verb),
    afterNextRead(act) {
      afterRead = act;
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

function kubeconfigOf({ origin, ca }: ApiFake, token: string): string {
  const cluster = { server: origin, "certificate-authority-data": Buffer.from(ca ?? "").toString("base64") };
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [
      { name: "edge", cluster },
      { name: "careless", cluster: { server: origin, "insecure-skip-tls-verify": true } },
    ],
    users: [
      { name: "renewd", user: { token } },
      { name: "nobody", user: { token: "wrong" } },
    ],
    contexts: [
      { name: "edge", context: { cluster: "edge", user: "renewd" } },
      { name: "stranger", context: { cluster: "edge", user: "nobody" } },
      { name: "careless", context: { cluster: "careless", user: "renewd" } },
    ],
    "current-context": "edge",
  });
}
