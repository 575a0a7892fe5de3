import { persistRecordLine, type StandingAccount, type StandingName } from "../domain/dnsPersist.ts";
import { parseIssueValue } from "../domain/issueValue.ts";
import { sanitize } from "../domain/text.ts";
import { type CaaLookup, type CaaRecord, relevant } from "./caa.ts";

/** A name that the issuer certifies; `standing`: by a dns-persist-01 record. */
export interface BoundName extends StandingName {
  readonly standing: boolean;
}

export interface BoundRecords {
  /** As lines of a zone file: what has to be there from now on. */
  readonly lines: readonly string[];
  /** Names whose CAA records were not looked at. */
  readonly unchecked: number;
}

const LOOKUP_TIMEOUT_MS = 15_000;
const NAMES_MAX = 200;
const LINES_MAX = 100;
const LINE_CHARACTERS_MAX = 600;

/**
 * The DNS records that name the account `from` and have to name `to` now: CAA records with `accounturi` (RFC 8657 §3)
 * and dns-persist-01 records. `standing` null: the CA does not say by which domains such records name it.
 */
export async function boundRecords(
  names: readonly BoundName[],
  { from, to, standing }: { readonly from: string; readonly to: string; readonly standing: StandingAccount | null },
  lookup: CaaLookup,
  signal: AbortSignal,
): Promise<BoundRecords> {
  const lines = new Set(
    names.flatMap((name) => (name.standing && standing !== null ? [persistRecordLine(standing, name)] : [])),
  );
  const bounded = AbortSignal.any([signal, AbortSignal.timeout(LOOKUP_TIMEOUT_MS)]);
  const known = new Map<string, Promise<readonly CaaRecord[]>>();
  const records = (name: string): Promise<readonly CaaRecord[]> => {
    const found = known.get(name) ?? lookup(name, bounded);
    known.set(name, found);
    return found;
  };
  const domains = [...new Set(names.map(({ domain }) => domain))];
  let unchecked = Math.max(0, domains.length - NAMES_MAX);
  for (const domain of domains.slice(0, NAMES_MAX)) {
    try {
      const found = await relevant(domain, records);
      for (const record of found?.records ?? []) {
        const line = changedLine(found?.name ?? domain, record, from, to);
        if (line !== null) lines.add(line);
      }
    } catch {
      signal.throwIfAborted();
      unchecked += 1;
    }
  }
  const shown = [...lines].slice(0, LINES_MAX).map((line) => sanitize(line, LINE_CHARACTERS_MAX));
  return { lines: shown, unchecked };
}

/** null: it does not name the account. */
function changedLine(name: string, { critical, tag, value }: CaaRecord, from: string, to: string): string | null {
  if (tag !== "issue" && tag !== "issuewild") return null;
  const { parameters } = parseIssueValue(value);
  if (!parameters?.some(([each, account]) => each === "accounturi" && account === from)) return null;
  return `${name}. IN CAA ${critical ? 128 : 0} ${tag} "${value.replaceAll(from, to)}"`;
}
