import type { X509Certificate } from "node:crypto";
import { namesCover } from "../../domain/identifier.ts";
import { FINDING_LEVELS, type Finding, type FindingLevel, type ScannedChain } from "../../domain/scan.ts";
import { formatAgo, formatDuration, formatInstant } from "../../domain/time.ts";
import { isValidAt, type Path, pathOf, type Roots } from "../../x509/trust.ts";
import { namesIn, restInWireOrder } from "../served.ts";
import { describeCertificate, rsaBits, shortName } from "./certificate.ts";

/** Below this share of its life a certificate should have been replaced: ACME clients renew when a third is left. */
const LIFE_LEFT_MIN = 1 / 6;
/** CA/Browser Forum Baseline Requirements §6.1.5. */
const RSA_BITS_MIN = 2048;
/** Clients refuse them (Baseline Requirements §7.1.3.2). */
const WEAK_SIGNATURE = /sha1|md5|md2/i;
const NAMES_SHOWN_MAX = 3;

export interface Judged {
  readonly chain: ScannedChain;
  readonly findings: readonly Finding[];
}

export interface Question {
  /** DNS name or address that a client asks for. */
  readonly serverName: string;
  readonly roots: Roots;
  /** ms since epoch. */
  readonly now: number;
}

/** What a client finds that gets this leaf, and the certificates linked to it, from a server. */
export function judge(leaf: X509Certificate, question: Question): Judged {
  const sent = restInWireOrder(leaf);
  const path = pathOf(leaf, sent, question.roots, question.now);
  return {
    chain: {
      leaf: describeCertificate(leaf),
      sent: sent.map(describeCertificate),
      trust: path.trust,
      path: path.above.map(({ subject }) => shortName(subject)),
    },
    findings: findingsAbout(leaf, sent, path, question),
  };
}

/** As `judge`, without a description of every certificate, which takes longer than to judge them. */
export function findingsOf(leaf: X509Certificate, question: Question): Finding[] {
  const sent = restInWireOrder(leaf);
  return findingsAbout(leaf, sent, pathOf(leaf, sent, question.roots, question.now), question);
}

function findingsAbout(
  leaf: X509Certificate,
  sent: readonly X509Certificate[],
  path: Path,
  question: Question,
): Finding[] {
  return worstFirst([
    ...nameFindings(leaf, question),
    ...dateFindings(leaf, question.now),
    ...trustFindings(leaf, path),
    ...pathDates(leaf, path, question.now),
    ...sentFindings(leaf, sent, path),
    ...strengthFindings(leaf, path),
  ]);
}

export function worstFirst(findings: readonly Finding[]): Finding[] {
  return findings.toSorted((a, b) => FINDING_LEVELS.indexOf(a.level) - FINDING_LEVELS.indexOf(b.level));
}

function finding(level: FindingLevel, id: string, message: string, advice: string | null): Finding {
  return { level, id, message, advice };
}

function nameFindings(leaf: X509Certificate, { serverName }: Question): Finding[] {
  const subjectAltNames = namesIn(leaf);
  if (namesCover(subjectAltNames, serverName)) return [];
  const shown = subjectAltNames.slice(0, NAMES_SHOWN_MAX).join(", ");
  const more = subjectAltNames.length > NAMES_SHOWN_MAX ? ` and ${subjectAltNames.length - NAMES_SHOWN_MAX} more` : "";
  return [
    finding(
      "wrong",
      "names",
      `it is not for ${serverName}: it names ${shown === "" ? "nothing" : `${shown}${more}`}`,
      `Bind a certificate with this name to the server block of ${serverName}; this one is often the default block's.`,
    ),
  ];
}

function dateFindings({ validFromDate, validToDate }: X509Certificate, now: number): Finding[] {
  const [notBefore, notAfter] = [validFromDate.getTime(), validToDate.getTime()];
  if (now < notBefore)
    return [
      finding(
        "wrong",
        "dates.future",
        `it is not valid before ${formatInstant(notBefore)}`,
        "Check the clocks of this machine and of the CA.",
      ),
    ];
  if (now >= notAfter)
    return [
      finding(
        "wrong",
        "dates.expired",
        `it expired ${formatAgo(now - notAfter)}, at ${formatInstant(notAfter)}`,
        "Renew it now. If a newer one was issued, the server has not loaded it: reload the server.",
      ),
    ];
  const share = (notAfter - now) / (notAfter - notBefore);
  if (share >= LIFE_LEFT_MIN) return [];
  return [
    finding(
      "caution",
      "dates.endsSoon",
      `it ends in ${formatDuration(notAfter - now)}: ${Math.floor(share * 100)} % of its life is left`,
      "It should have been renewed by now: find out why it was not.",
    ),
  ];
}

function trustFindings(leaf: X509Certificate, { trust, above }: Path): Finding[] {
  const issuer = shortName((above.at(-1) ?? leaf).issuer);
  switch (trust) {
    case "trusted":
      return [];
    case "selfSigned":
      return [
        finding(
          "wrong",
          "chain.selfSigned",
          "it is signed by itself, so no client trusts it",
          "Issue one from a CA. If it is a placeholder, the real one was never deployed here.",
        ),
      ];
    case "untrusted":
      return [
        finding(
          "wrong",
          "chain.untrusted",
          `its chain ends at ${issuer}, a root that this machine does not trust`,
          "If it is your own CA, repeat with `--trust ROOT.pem`; otherwise replace the certificate.",
        ),
      ];
    case "incomplete":
      return [
        finding(
          "wrong",
          "chain.incomplete",
          `the certificate of ${issuer} is missing: it was not served and is no trusted root`,
          "Serve the whole chain (fullchain.pem, not cert.pem). Browsers may hide this with a cache; other " +
            "clients fail. If it is your own CA, repeat with `--trust ROOT.pem`.",
        ),
      ];
  }
}

/** An intermediate may end before the leaf: then the chain breaks although the leaf is valid. */
function pathDates(leaf: X509Certificate, { above }: Path, now: number): Finding[] {
  const end = leaf.validToDate.getTime();
  return above.flatMap((each) => {
    const name = shortName(each.subject);
    const notAfter = each.validToDate.getTime();
    if (!isValidAt(each, now))
      return [
        finding(
          "wrong",
          "chain.dates",
          `${name} above it is not valid now: from ${formatInstant(each.validFromDate.getTime())} to ` +
            `${formatInstant(notAfter)}`,
          "Serve the chain that the CA gives out today.",
        ),
      ];
    if (notAfter >= end) return [];
    return [
      finding(
        "caution",
        "chain.endsFirst",
        `${name} above it ends ${formatInstant(notAfter)}, before the certificate itself`,
        "Renew before that, with the chain that the CA gives out then.",
      ),
    ];
  });
}

/** Order and number of what was sent. Clients sort it themselves, but small ones do not (RFC 8446 §4.4.2). */
function sentFindings(leaf: X509Certificate, sent: readonly X509Certificate[], { above }: Path): Finding[] {
  const findings: Finding[] = [];
  const used = sent.filter((each) => above.some(({ fingerprint256 }) => fingerprint256 === each.fingerprint256));
  const wanted = above.filter((each) => used.some(({ fingerprint256 }) => fingerprint256 === each.fingerprint256));
  if (used.some((each, index) => each.fingerprint256 !== wanted[index]?.fingerprint256))
    findings.push(
      finding(
        "caution",
        "chain.order",
        "the certificates above it are sent in the wrong order",
        "Send each below the one that issued it, the leaf first.",
      ),
    );
  const roots = used.filter((each) => each.subject === each.issuer);
  const extra = sent.filter((each) => !used.includes(each) || each.fingerprint256 === leaf.fingerprint256);
  if (roots.length > 0)
    findings.push(
      finding("note", "chain.root", "it sends the root as well, which no client needs", "Leave the root out."),
    );
  if (extra.length > 0)
    findings.push(
      finding(
        "note",
        "chain.extra",
        `${extra.length} more ${extra.length === 1 ? "certificate is" : "certificates are"} sent that ` +
          `${extra.length === 1 ? "belongs" : "belong"} to no chain of this leaf: ` +
          `${extra.map(({ subject }) => shortName(subject)).join(", ")}`,
        "Leave them out, unless older clients need a cross-signed certificate.",
      ),
    );
  return findings;
}

function strengthFindings(leaf: X509Certificate, { above }: Path): Finding[] {
  const findings: Finding[] = [];
  const bits = rsaBits(leaf);
  if (bits !== null && bits < RSA_BITS_MIN)
    findings.push(
      finding("wrong", "key.weak", `its RSA key has only ${bits} bits`, "Issue one with ECDSA P-256 or RSA 2048."),
    );
  // A root's own signature protects nothing.
  const signed = [leaf, ...above.filter((each) => each.subject !== each.issuer)];
  const weak = signed.find(({ signatureAlgorithm }) => WEAK_SIGNATURE.test(signatureAlgorithm ?? ""));
  if (weak !== undefined)
    findings.push(
      finding(
        "wrong",
        "signature.weak",
        `${weak === leaf ? "it" : shortName(weak.subject)} is signed with ` +
          `${describeCertificate(weak).signature}, which clients refuse`,
        "Issue one from a CA that signs with SHA-256 or better.",
      ),
    );
  return findings;
}
