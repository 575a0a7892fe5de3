import { X509Certificate } from "node:crypto";
import type { TrustState } from "../domain/scan.ts";
import { isIssuedBy } from "./chain.ts";

/** Longer than any real chain. */
const DEPTH_MAX = 8;
/** A hostile server may send certificates that all name each other. */
const STEPS_MAX = 200;

/** Roots by the name of their subject. */
export type Roots = ReadonlyMap<string, readonly X509Certificate[]>;

/** What cannot be read is left out: a system's store may hold certificates of forms that Node does not know. */
export function rootsOf(pems: readonly string[]): Roots {
  const roots = new Map<string, X509Certificate[]>();
  for (const pem of pems) {
    const root = readOrNull(pem);
    if (root === null) continue;
    const subject = root.subject ?? "";
    roots.set(subject, [...(roots.get(subject) ?? []), root]);
  }
  return roots;
}

export interface Path {
  readonly trust: TrustState;
  /** Above the leaf, as a client builds it; with the root if there is one. */
  readonly above: readonly X509Certificate[];
}

/**
 * The path a client builds from the leaf through what the server sent to a trusted root (RFC 5280 §6.1 without policies
 * and name constraints). A path of certificates that are all valid at `now` is preferred: of two cross-signed
 * intermediates the one that expired does no harm.
 */
export function pathOf(leaf: X509Certificate, sent: readonly X509Certificate[], roots: Roots, now: number): Path {
  let steps = 0;
  let best: Path | null = null;
  let bestRank = 0;
  const consider = (trust: TrustState, above: readonly X509Certificate[]): void => {
    const rank = rankOf(trust) + (above.every((each) => isValidAt(each, now)) ? 1 : 0);
    if (best !== null && rank <= bestRank) return;
    [best, bestRank] = [{ trust, above }, rank];
  };
  const follow = (child: X509Certificate, above: readonly X509Certificate[]): void => {
    steps += 1;
    if (steps > STEPS_MAX || above.length > DEPTH_MAX) return;
    const isIssued = above.length === 0 ? isLeafIssuedBy : isCaIssuedBy;
    const root = (roots.get(child.issuer ?? "") ?? []).find((each) => isIssued(child, each));
    if (root !== undefined) consider("trusted", isSame(root, child) ? above : [...above, root]);
    if (isIssued(child, child)) {
      if (root === undefined) consider(above.length === 0 ? "selfSigned" : "untrusted", above);
      return;
    }
    const issuers = sent.filter(
      (each) => !isSame(each, child) && !above.some((used) => isSame(used, each)) && isIssued(child, each),
    );
    if (issuers.length === 0 && root === undefined) consider("incomplete", above);
    for (const issuer of issuers) follow(issuer, [...above, issuer]);
  };
  follow(leaf, []);
  return best ?? { trust: "incomplete", above: [] };
}

const KNOWN_MAX = 1_000;
const KNOWN = new Map<string, boolean>();
/** Of one leaf. */
const ISSUERS_MAX = 20;

/** The few CAs of a fleet sign each other in the same way every time, and a signature takes long to check. */
function isCaIssuedBy(child: X509Certificate, parent: X509Certificate): boolean {
  const key = child.fingerprint256 + parent.fingerprint256;
  const known = KNOWN.get(key);
  if (known !== undefined) return known;
  if (KNOWN.size >= KNOWN_MAX) KNOWN.clear();
  const found = isIssuedBy(child, parent);
  KNOWN.set(key, found);
  return found;
}

const LEAVES = new WeakMap<X509Certificate, Map<string, boolean>>();

/** Of as many leaves as there are somebody keeps those that are judged again. */
function isLeafIssuedBy(leaf: X509Certificate, parent: X509Certificate): boolean {
  const known = LEAVES.get(leaf) ?? new Map<string, boolean>();
  LEAVES.set(leaf, known);
  const key = parent.fingerprint256;
  const found = known.get(key) ?? isIssuedBy(leaf, parent);
  if (known.size < ISSUERS_MAX) known.set(key, found);
  return found;
}

/** Trust counts more than dates, and any end is better than none. */
function rankOf(trust: TrustState): number {
  return { trusted: 5, untrusted: 3, selfSigned: 3, incomplete: 1 }[trust];
}

export function isValidAt({ validFromDate, validToDate }: X509Certificate, now: number): boolean {
  return validFromDate.getTime() <= now && now < validToDate.getTime();
}

function isSame(one: X509Certificate, other: X509Certificate): boolean {
  return one.fingerprint256 === other.fingerprint256;
}

function readOrNull(pem: string): X509Certificate | null {
  try {
    return new X509Certificate(pem);
  } catch {
    return null;
  }
}
