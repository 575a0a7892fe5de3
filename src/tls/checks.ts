import type { ObservationProblem, ServedCertificate } from "../domain/endpoint.ts";
import type { ErrorCode } from "../domain/errorTable.ts";

/** The version that should be live. `chain` holds the SHA-256 fingerprints after the leaf, in order. */
export interface ExpectedCertificate {
  readonly fingerprint: string;
  readonly serial: string;
  readonly chain: readonly string[];
}

export interface CheckInput {
  readonly served: ServedCertificate;
  /** null: no version is expected yet, so only names and dates are checked. */
  readonly expected: ExpectedCertificate | null;
  readonly serverName: string;
  /** Whether the served names cover `serverName`. */
  readonly covered: boolean;
  /** ms since epoch. */
  readonly now: number;
}

type Check = (input: CheckInput) => ObservationProblem | null;

/** The first match wins, so the most useful problem comes first. */
const CHECKS: readonly Check[] = [wrongCertificate, stale, notValid, badChain];

/** What is wrong with the certificate that an address served; null: nothing. */
export function checkServed(input: CheckInput): ObservationProblem | null {
  for (const check of CHECKS) {
    const problem = check(input);
    if (problem) return problem;
  }
  return null;
}

function wrongCertificate({ served, serverName, covered }: CheckInput): ObservationProblem | null {
  if (covered) return null;
  const names = served.subjectAltNames.length === 0 ? "no names" : `only ${listed(served.subjectAltNames)}`;
  return problem(
    "verify.wrongCertificate",
    `asked for ${serverName}, it serves ${describe(served)} for ${names}: ` +
      "probably the default certificate of another server block",
  );
}

function stale({ served, expected, now }: CheckInput): ObservationProblem | null {
  if (!expected || served.fingerprint === expected.fingerprint) return null;
  const verb = served.notAfter <= now ? "that expired" : "until";
  return problem(
    "verify.stale",
    `serves serial ${served.serial} ${verb} ${instant(served.notAfter)}, wanted serial ${expected.serial}`,
  );
}

function notValid({ served, now }: CheckInput): ObservationProblem | null {
  if (now < served.notBefore)
    return problem(
      "verify.notValid",
      `serves serial ${served.serial}, which is not valid before ${instant(served.notBefore)}`,
    );
  if (now >= served.notAfter)
    return problem("verify.notValid", `serves serial ${served.serial}, which expired ${instant(served.notAfter)}`);
  return null;
}

/** Extra certificates after the issued chain, such as the root, are allowed: clients ignore them (RFC 8446 §4.4.2). */
function badChain({ served, expected }: CheckInput): ObservationProblem | null {
  if (!expected || expected.chain.every((fingerprint, i) => served.chain[i] === fingerprint)) return null;
  const missing = expected.chain.filter((fingerprint) => !served.chain.includes(fingerprint)).length;
  const counted = `${expected.chain.length} issued, ${served.chain.length} served, ${missing} missing`;
  if (missing === 0)
    return problem("verify.badChain", `serves the intermediate certificates out of order (${counted})`);
  if (served.chain.length === 0)
    return problem("verify.badChain", `serves the leaf without its intermediate certificates (${counted})`);
  return problem("verify.badChain", `serves other intermediate certificates than were issued (${counted})`);
}

function problem(code: ErrorCode, message: string): ObservationProblem {
  return { code, message };
}

function describe(served: ServedCertificate): string {
  return `serial ${served.serial} issued by ${served.issuer === "" ? "an unnamed issuer" : served.issuer}`;
}

function listed(names: readonly string[]): string {
  const shown = names.slice(0, 3).join(", ");
  return names.length > 3 ? `${shown} and ${names.length - 3} more` : shown;
}

function instant(at: number): string {
  return Number.isNaN(at) ? "an unreadable date" : `${new Date(at).toISOString().slice(0, 19)}Z`;
}
