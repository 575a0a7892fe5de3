import type { V1Secret } from "@kubernetes/client-node";

/** https://kubernetes.io/docs/concepts/configuration/secret/#tls-secrets; a secret's type never changes. */
export const TLS = "kubernetes.io/tls";

/**
 * The other controller that keeps this secret and would overwrite our writes; null: none known. cert-manager marks its
 * secrets by `cert-manager.io/certificate-name` and `controller.cert-manager.io/fao`
 * (https://cert-manager.io/docs/reference/annotations/), External Secrets by its label, most others by an owner
 * reference.
 */
export function ownerOf({ metadata = {} }: V1Secret): string | null {
  const keys = Object.keys({ ...metadata.labels, ...metadata.annotations });
  if (keys.some((key) => key.startsWith("cert-manager.io/") || key === "controller.cert-manager.io/fao"))
    return "cert-manager";
  if (metadata.labels?.["reconcile.external-secrets.io/managed"] === "true") return "External Secrets";
  const controller = metadata.ownerReferences?.find((reference) => reference.controller === true);
  return controller === undefined ? null : `${controller.kind} ${controller.name}`;
}
