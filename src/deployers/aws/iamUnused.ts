import { RenewalError } from "../../domain/errors.ts";
import type { Iam } from "./iamClient.ts";
import type { NamedGeneration } from "./iamNames.ts";
import { CERTIFICATE_TAG } from "./tags.ts";

/** Deletions per deploy; the next deploy deletes the rest. */
const DELETIONS_MAX = 20;

/** The certificates that were not deleted, as members of the receipt. */
export interface Unused {
  /** Names of old ones that a load balancer or distribution still serves, until a person refers it to a newer one. */
  readonly inUse?: string;
  /** Why old ones could not be deleted. */
  readonly notDeleted?: string;
}

/**
 * Deletes old server certificates that carry our tag and are not in use. A failure is only reported: the pair matters
 * more, and credentials without the right to delete are a valid choice. Throws only when cancelled.
 */
export async function deleteUnused(
  iam: Iam,
  certificate: string,
  old: readonly NamedGeneration[],
  signal: AbortSignal,
): Promise<Unused> {
  const inUse: string[] = [];
  try {
    for (const { name } of old.slice(0, DELETIONS_MAX)) {
      const held = await iam.get(name, signal);
      if (held?.tags[CERTIFICATE_TAG] !== certificate) continue;
      if ((await iam.delete(name, signal)) === "inUse") inUse.push(name);
    }
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof RenewalError)) throw error;
    return { ...used(inUse), notDeleted: error.message };
  }
  return used(inUse);
}

function used(names: readonly string[]): Unused {
  return names.length === 0 ? {} : { inUse: names.join(", ") };
}
