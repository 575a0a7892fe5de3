import type { Certificate } from "../../domain/certificate.ts";
import type { IssueRequest } from "../../domain/issuer.ts";
import type { Renewal } from "../../domain/renewal.ts";
import type { Secret } from "../../domain/secret.ts";
import type { Store } from "../../domain/store.ts";
import type { Version } from "../../domain/version.ts";
import type { Context } from "../context.ts";
import { mayReplace, mayReuseKey } from "../rules/order.ts";
import { isReplacementPending } from "../rules/replacement.ts";

const REVOCATIONS_MAX = 100;

interface Ordering {
  readonly certificate: Certificate;
  readonly issuer: string;
  /** The version that the new one follows; null: it is the first. */
  readonly predecessor: Version | null;
}

/** The order for a renewal. */
export async function orderRequest(
  context: Context,
  renewal: Renewal,
  { certificate, issuer, predecessor }: Ordering,
): Promise<IssueRequest> {
  const { store, services, clock } = context;
  const { name, identifiers, keyType, profile, preferredChain } = certificate;
  const replaces =
    predecessor !== null && mayReplace(certificate, services.budget(issuer), predecessor, clock.now())
      ? predecessor.leafPem
      : null;
  const reused =
    predecessor !== null &&
    mayReuseKey(certificate, renewal, predecessor) &&
    !isReplacementPending(await store.replacements.of(name), predecessor);
  const privateKey = reused ? await store.versions.privateKey(name, predecessor.generation) : null;
  return {
    certificate: name,
    renewalId: renewal.id,
    identifiers,
    keyType,
    replaces,
    profile,
    preferredChain,
    privateKey,
    ...(await ownRequest(context, certificate)),
  };
}

/** What a certificate's own signing request adds to an order. */
export async function ownRequest(
  { store, services }: Pick<Context, "store" | "services">,
  certificate: Certificate,
): Promise<Pick<IssueRequest, "ownCsr" | "compromisedKeys">> {
  const ownCsr = services.ownCsr(certificate);
  return ownCsr === null ? {} : { ownCsr, compromisedKeys: await loadCompromisedKeys(store, certificate.name) };
}

/**
 * An own request stays the same until somebody replaces it: only this check stops its compromised key from being
 * reused.
 */
async function loadCompromisedKeys(store: Store, certificate: string): Promise<Secret[]> {
  const revoked = { certificate, types: ["version.revoked"], limit: REVOCATIONS_MAX, sealed: true } as const;
  const events = await store.events.list(revoked);
  const generations = new Set(
    events.filter(({ detail }) => detail.reason === "keyCompromise").map(({ detail }) => detail.generation),
  );
  const versions = (await store.versions.list(certificate)).filter(({ generation }) => generations.has(generation));
  return Promise.all(versions.map(({ generation }) => store.versions.privateKey(certificate, generation)));
}
