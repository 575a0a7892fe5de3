import { createHash } from "node:crypto";
import type { Certificate } from "../../domain/certificate.ts";
import type { Identifier } from "../../domain/identifier.ts";
import type { IssueRequest } from "../../domain/issuer.ts";
import type { Renewal } from "../../domain/renewal.ts";
import type { Secret } from "../../domain/secret.ts";
import type { Store } from "../../domain/store.ts";
import type { Version } from "../../domain/version.ts";
import type { Context } from "../context.ts";
import { isPending } from "../plan/replacement.ts";

const REVOCATIONS_MAX = 100;

/** What is asked of `issuer` for a renewal. */
export async function orderRequest(context: Context, renewal: Renewal, certificate: Certificate, issuer: string): Promise<IssueRequest> {
  const { store, clock } = context;
  const { name, identifiers, keyType, profile, preferredChain } = certificate;
  const predecessor = await store.versions.latest(name);
  const replaces = predecessor !== null && mayReplace(certificate, issuer, predecessor, clock.now()) ? predecessor.leafPem : null;
  const reused = predecessor !== null && mayReuseKey(certificate, renewal, predecessor) && !isPending(await store.campaigns.of(name), predecessor);
  const privateKey = reused ? await store.versions.privateKey(name, predecessor.generation) : null;
  return { certificate: name, identifiers, keyType, replaces, profile, preferredChain, privateKey, ...(await ownRequest(context, certificate)) };
}

/** What a request that the certificate brings along adds to an order. */
export async function ownRequest(
  { store, estate }: Pick<Context, "store" | "estate">,
  certificate: Certificate,
): Promise<Pick<IssueRequest, "ownCsr" | "compromisedKeys">> {
  const ownCsr = estate.ownCsr(certificate);
  return ownCsr === null ? {} : { ownCsr, compromisedKeys: await loadCompromisedKeys(store, certificate.name) };
}

/** An own request stays the same until somebody brings another: nothing else keeps its key from being certified once more. */
async function loadCompromisedKeys(store: Store, certificate: string): Promise<Secret[]> {
  const events = await store.events.list({ certificate, types: ["version.revoked"], limit: REVOCATIONS_MAX });
  const generations = new Set(events.filter(({ detail }) => detail.reason === "keyCompromise").map(({ detail }) => detail.generation));
  const versions = (await store.versions.list(certificate)).filter(({ generation }) => generations.has(generation));
  return Promise.all(versions.map(({ generation }) => store.versions.privateKey(certificate, generation)));
}

/** Said only where the CA can honour it (RFC 9773 §5): its own certificate, not expired, with a name in common. Then limits do not apply. */
export function mayReplace({ identifiers }: Pick<Certificate, "identifiers">, issuer: string, predecessor: Version, now: number): boolean {
  if (predecessor.issuer !== issuer || predecessor.leaf.notAfter <= now) return false;
  const held = new Set(predecessor.leaf.identifiers.map(({ value }) => value));
  return identifiers.some(({ value }) => held.has(value));
}

/** A key that was revoked for may be known to others: it is never used again, nor is one in a mass replacement, which may well be for that. */
function mayReuseKey({ reuseKey, keyType }: Certificate, { reason }: Renewal, predecessor: Version): boolean {
  return reuseKey && predecessor.keyType === keyType && reason !== "revoked";
}

/**
 * Names what two orders must not have in common at the same time: a CA such as Boulder returns the pending order of the
 * same account and names, so an RSA and an ECDSA certificate for one set of names would finish each other's.
 */
export function orderScope(issuer: string, identifiers: readonly Identifier[]): string {
  const names = [...new Set(identifiers.map(({ type, value }) => `${type}:${value}`))].sort();
  return createHash("sha256")
    .update(JSON.stringify([issuer, names]))
    .digest("hex");
}
