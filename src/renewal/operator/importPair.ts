import { type Certificate, FIRST_RUN, type KeyType } from "../../domain/certificate.ts";
import { RenewalError } from "../../domain/errors.ts";
import type { Identifier } from "../../domain/identifier.ts";
import type { Secret } from "../../domain/secret.ts";
import { formatInstant } from "../../domain/time.ts";
import { IMPORTED, type Leaf, type Version } from "../../domain/version.ts";
import type { Context } from "../context.ts";
import { nextGeneration } from "../rules/generation.ts";
import { expiryWarningAt } from "../rules/window.ts";
import { wantGeneration } from "../steps/wantGeneration.ts";

const NAMES_SHOWN_MAX = 5;

/** A pair that other tooling obtained, already read; key and certificate were checked to belong together. */
export interface ForeignPair {
  readonly leaf: Leaf;
  readonly leafPem: string;
  readonly chainPem: readonly string[];
  readonly privateKey: Secret;
  readonly keyType: KeyType;
}

export interface ImportOptions {
  readonly by?: string | null;
  /** Take it although it is for other names, expired, or older than the latest version. */
  readonly force?: boolean;
}

/**
 * Takes over a pair that other tooling issued and installed, as the next generation. It is assumed to be in place
 * already, so nothing is deployed; the planner then treats it like any other version. Returns the generation.
 */
export async function importPair(
  { store, clock }: Context,
  certificate: Certificate,
  pair: ForeignPair,
  { by = null, force = false }: ImportOptions = {},
): Promise<number> {
  const { name, targetDigests } = certificate;
  const now = clock.now();
  return store.transaction(async (tx) => {
    await tx.certificates.lock([name]);
    const active = await tx.renewals.active(name);
    if (active !== null)
      throw new RenewalError(
        "request.invalid",
        `certificate: "${name}" is being renewed (${active.id}); import it afterwards`,
      );
    const latest = await tx.versions.latest(name);
    const same = latest?.leaf.fingerprint === pair.leaf.fingerprint ? latest : null;
    if (same !== null) return same.generation;
    const objection = force ? null : objectionTo(pair.leaf, { certificate, latest, now });
    if (objection !== null)
      throw new RenewalError("request.invalid", `certificate file: ${objection}; --force imports it all the same`);
    const record = await tx.certificates.get(name);
    const generation = nextGeneration(latest, record, await tx.deployments.list(name));
    const { privateKey, ...facts } = pair;
    await tx.versions.insert(
      {
        ...facts,
        certificate: name,
        generation,
        issuer: IMPORTED,
        directory: null,
        createdAt: now,
        verifiedAt: null,
        revokedAt: null,
        droppedNames: [],
      },
      privateKey,
    );
    await wantGeneration(tx, { certificate, generation, renewalId: null }, now);
    await tx.renewalInfos.watch(name, generation, now);
    for (const { target, fence } of await tx.deployments.list(name)) {
      await tx.deployments.update(name, target, fence, {
        deployedGeneration: generation,
        targetDigest: targetDigests[target] ?? null,
      });
    }
    const held = (await tx.certificates.get(name))?.pausedReason?.startsWith(FIRST_RUN) === true;
    await tx.certificates.update(name, {
      nextCheckAt: now,
      expiryWarningAt: expiryWarningAt(pair.leaf),
      ...(held && { pausedAt: null, pausedUntil: null, pausedReason: null }),
    });
    const detail = {
      generation,
      serial: pair.leaf.serial,
      notAfter: pair.leaf.notAfter,
      issuedBy: pair.leaf.issuerName,
      by,
    };
    await tx.events.append({
      at: now,
      type: "version.imported",
      certificate: name,
      renewalId: null,
      target: null,
      detail,
    });
    return generation;
  });
}

interface Present {
  readonly certificate: Certificate;
  readonly latest: Version | null;
  readonly now: number;
}

/** Mixing up two files must not put another certificate, or an earlier one, into use. */
function objectionTo(leaf: Leaf, { certificate, latest, now }: Present): string | null {
  const namesOf = (identifiers: readonly Identifier[]): Set<string> => new Set(identifiers.map(({ value }) => value));
  const [wanted, found] = [namesOf(certificate.identifiers), namesOf(leaf.identifiers)];
  const [missing, extra] = [wanted.difference(found), found.difference(wanted)];
  if (missing.size > 0) return `it lacks ${listed(missing)}, which certificate "${certificate.name}" is for`;
  if (extra.size > 0) return `it is also for ${listed(extra)}, which certificate "${certificate.name}" does not list`;
  if (leaf.notAfter <= now) return `it expired at ${formatInstant(leaf.notAfter)}`;
  if (latest !== null && leaf.notBefore < latest.leaf.notBefore)
    return `it is older than generation ${latest.generation}, issued at ${formatInstant(latest.leaf.notBefore)}`;
  return null;
}

function listed(names: ReadonlySet<string>): string {
  const shown = [...names].slice(0, NAMES_SHOWN_MAX).join(", ");
  return names.size > NAMES_SHOWN_MAX ? `${shown} and ${names.size - NAMES_SHOWN_MAX} more` : shown;
}
