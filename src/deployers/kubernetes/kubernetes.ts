import type { V1Secret } from "@kubernetes/client-node";
import { z } from "zod";
import type { Deployer, DeployRequest, InspectRequest, InstalledPair } from "../../domain/deployer.ts";
import type { DeployReceipt } from "../../domain/deployment.ts";
import { RenewalError } from "../../domain/errors.ts";
import type { Plugin } from "../../domain/plugin.ts";
import type { IssuedCertificate } from "../../domain/version.ts";
import type { DeployerDependencies } from "../base/dependencies.ts";
import { durationOption } from "../base/duration.ts";
import {
  type GenerationTag,
  type Holder,
  readTags,
  refuseForeign,
  refuseForeignOrOlder,
  tagsOf,
} from "../base/generationTags.ts";
import { installedPair } from "../base/installedPair.ts";
import { pairPem } from "../base/pairPem.ts";
import { type NameRule, nameOption, resolveName } from "../base/resourceName.ts";
import { absolutePath } from "../base/targetPath.ts";
import { createKubernetes, type Kubernetes } from "./client.ts";
import { ownerOf, TLS } from "./owner.ts";

// https://kubernetes.io/docs/concepts/overview/working-with-objects/names/ and …/labels/
const NAME_RULE: NameRule = {
  valid: /^(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/,
  advice: "a secret's name has at most 253 of a-z, 0-9, hyphen and dot, beginning and ending with a letter or digit",
  unknown: /[^a-z0-9.-]/g,
};
const KEY = /^(?:[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?\/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const MARK_PREFIX = "renewd/";
const MANAGED_BY = "app.kubernetes.io/managed-by";

const key = z
  .string()
  .regex(KEY, "is not a valid key")
  .refine(
    (text) => !text.startsWith(MARK_PREFIX) && text !== MANAGED_BY,
    `keys beginning with ${MARK_PREFIX}, and ${MANAGED_BY}, are renewd's own`,
  );

const optionsSchema = z.strictObject({
  kubeconfig: absolutePath
    .optional()
    .describe("kubeconfig file. Default: $KUBECONFIG, then ~/.kube/config, then the pod's own service account."),
  context: z.string().min(1).max(255).optional().describe("Context of the kubeconfig. Default: its current one."),
  namespace: z
    .string()
    .regex(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/, "give a namespace: a-z, 0-9 and hyphen")
    .describe("Namespace of the secret."),
  secret: nameOption(NAME_RULE, "{certificate}-tls").describe(
    "Name of the secret, which is created if it is missing. `{certificate}` stands for the certificate's name. " +
      "Default: `{certificate}-tls`.",
  ),
  labels: z
    .record(key, z.string().regex(/^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/, "is not a valid label value"))
    .default({})
    .describe("Further labels of the secret."),
  annotations: z.record(key, z.string().max(4096)).default({}).describe("Further annotations of the secret."),
  takeOver: z
    .boolean()
    .default(false)
    .describe(
      "Take over a TLS secret that others (kubectl, Helm) wrote. Secrets of cert-manager and other controllers " +
        "are never taken over.",
    ),
  timeout: durationOption("15s").describe("Time one call may take: 500ms, 30s, 2m."),
});

type KubernetesOptions = z.infer<typeof optionsSchema>;

export const kubernetes: Plugin<KubernetesOptions, DeployerDependencies, Deployer> = {
  type: "kubernetes",
  description:
    "Applies the pair as a kubernetes.io/tls secret, which Ingress controllers, gateways and pods follow by " +
    "themselves.",
  options: optionsSchema,
  create(options) {
    const api = createKubernetes({
      kubeconfig: options.kubeconfig,
      context: options.context,
      timeoutMs: options.timeout,
    });
    return {
      deploy: (request, signal) => deploy(api, options, request, signal),
      async preflight(certificate, _leaf, signal) {
        const place = { namespace: options.namespace, name: nameOf(options, certificate) };
        const held = await api.read(place, signal);
        if (held !== null) {
          refuseOthers(options, held);
          refuseForeign(certificate, marksIn(held), holderOf(options, held));
        }
        await api.require(held === null ? "create" : "patch", place, signal);
      },
      inspect: (request, signal) => inspect(api, options, request, signal),
      credentials: () => api.credentials(),
      async held(found, signal) {
        const { namespace } = options;
        await api.listTls(
          namespace,
          ({ name, certificate, secret }) => {
            const isOurs = marksIn(secret) !== null;
            const target = { type: "kubernetes", namespace, secret: name, ...(isOurs ? {} : { takeOver: true }) };
            found({
              certificate,
              place: `secret ${namespace}/${name}`,
              target: ownerOf(secret) === null ? target : null,
            });
          },
          signal,
        );
      },
    };
  },
  occupies: (options, certificate) => [
    `kubernetes ${options.kubeconfig ?? ""} ${options.context ?? ""} ` +
      `${options.namespace}/${nameOf(options, certificate)}`,
  ],
};

/**
 * One write changes key, chain and generation together. It carries the resourceVersion that was read, so a change in
 * between makes it fail (409). The first secret is created, not applied, so only one of two writers succeeds. Fields
 * that others changed in our secret are written back: this fixes drift.
 */
async function deploy(
  api: Kubernetes,
  options: KubernetesOptions,
  { pair }: DeployRequest,
  signal: AbortSignal,
): Promise<DeployReceipt> {
  const pem = pairPem(pair);
  const name = nameOf(options, pair.certificate);
  const place = { namespace: options.namespace, name };
  const receipt = {
    namespace: options.namespace,
    secret: name,
    generation: pair.generation,
    fingerprint: pair.leaf.fingerprint,
  };
  const held = await api.read(place, signal);
  const wanted: V1Secret = {
    apiVersion: "v1",
    kind: "Secret",
    type: TLS,
    metadata: {
      name,
      namespace: options.namespace,
      labels: { ...options.labels, [MANAGED_BY]: "renewd" },
      annotations: { ...options.annotations, ...tagsOf(pair, annotationOf) },
    },
    data: { "tls.crt": base64(pem.fullchain), "tls.key": base64(pem.privkey) },
  };
  if (held !== null) refuse(options, pair, held);
  if (held !== null && isAsWanted(held, wanted)) return receipt;
  const write = { secret: wanted, secrets: [pair.privateKey] };
  const written =
    held === null
      ? await api.create(write, signal)
      : await api.apply(
          {
            ...write,
            resourceVersion: held.metadata?.resourceVersion ?? "",
            force: options.takeOver || marksIn(held) !== null,
          },
          signal,
        );
  if (written) return receipt;
  const now = await api.read(place, signal);
  if (now !== null) refuse(options, pair, now);
  throw new RenewalError(
    "deploy.unreachable",
    `${shown(options, name)} was changed by something else while it was written`,
  );
}

async function inspect(
  api: Kubernetes,
  options: KubernetesOptions,
  { certificate }: InspectRequest,
  signal: AbortSignal,
): Promise<InstalledPair> {
  const name = nameOf(options, certificate);
  const held = await api.read({ namespace: options.namespace, name }, signal);
  const part = (field: string): string | null => {
    // Kubernetes demands both fields, so an empty one means none.
    const text = held?.data?.[field] ?? "";
    return text === "" ? null : Buffer.from(text, "base64").toString("utf8");
  };
  const names = { certificate: `tls.crt of ${shown(options, name)}`, key: `tls.key of ${shown(options, name)}` };
  const certificates = part("tls.crt");
  return installedPair({ certificate: certificates, key: part("tls.key"), chain: certificates, names });
}

function refuse(options: KubernetesOptions, pair: IssuedCertificate, held: V1Secret): void {
  refuseOthers(options, held);
  refuseForeignOrOlder(pair, marksIn(held), holderOf(options, held));
}

function holderOf(options: KubernetesOptions, held: V1Secret): Holder {
  return { name: shown(options, held.metadata?.name ?? ""), mark: `its annotation ${annotationOf("generation")}` };
}

/** Throws `deploy.refused` for a secret we must not or cannot write. */
function refuseOthers(options: KubernetesOptions, held: V1Secret): void {
  const name = shown(options, held.metadata?.name ?? "");
  const owner = ownerOf(held);
  if (owner !== null)
    throw new RenewalError(
      "deploy.refused",
      `${name} belongs to ${owner}, which would write over it; choose another \`secret\``,
    );
  if (held.type !== TLS) {
    throw new RenewalError(
      "deploy.refused",
      `${name} is of type ${held.type}, which cannot be changed to ${TLS}; delete it or choose another \`secret\``,
    );
  }
  if (held.immutable === true)
    throw new RenewalError("deploy.refused", `${name} is marked immutable; delete it or choose another \`secret\``);
}

function isAsWanted(held: V1Secret, wanted: V1Secret): boolean {
  const within = (part: Record<string, string> | undefined, whole: Record<string, string> | undefined): boolean =>
    Object.entries(part ?? {}).every(([name, text]) => whole?.[name] === text);
  return (
    within(wanted.data, held.data) &&
    within(wanted.metadata?.labels, held.metadata?.labels) &&
    within(wanted.metadata?.annotations, held.metadata?.annotations)
  );
}

function marksIn(held: V1Secret): ReturnType<typeof readTags> {
  return readTags(held.metadata?.annotations ?? {}, annotationOf);
}

function annotationOf(mark: GenerationTag): string {
  return `${MARK_PREFIX}${mark === "notBefore" ? "not-before" : mark}`;
}

function nameOf(options: KubernetesOptions, certificate: string): string {
  return resolveName(options.secret, certificate, NAME_RULE);
}

function shown(options: KubernetesOptions, name: string): string {
  return `secret ${options.namespace}/${name}`;
}

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}
