import { RenewalError } from "../../domain/errors.ts";

export type AwsTags = Readonly<Record<string, string>>;

/** Tag that names the owner of a resource in AWS: the certificate renewd keeps there. */
export const CERTIFICATE_TAG = "renewd:certificate";

export function tagList(tags: AwsTags): { Key: string; Value: string }[] {
  return Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));
}

export function readTags(
  list: readonly { readonly Key?: string | undefined; readonly Value?: string | undefined }[] | undefined,
): AwsTags {
  return Object.fromEntries((list ?? []).map(({ Key, Value }) => [Key ?? "", Value ?? ""]));
}

/** Those of `wanted` that are not there yet, or have another value. */
export function missingTags(wanted: AwsTags, held: AwsTags): AwsTags {
  return Object.fromEntries(Object.entries(wanted).filter(([key, value]) => held[key] !== value));
}

/** Throws `deploy.refused` when the tag says that `what` is kept for another certificate. */
export function refuseOtherOwner(what: string, tags: AwsTags, certificate: string): void {
  const owner = tags[CERTIFICATE_TAG];
  if (owner === undefined || owner === certificate) return;
  throw new RenewalError(
    "deploy.refused",
    `${what} belongs to the certificate ${owner} (its tag ${CERTIFICATE_TAG}), not to ${certificate}`,
  );
}
