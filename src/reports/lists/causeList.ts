import type { StatusReport } from "../status.ts";
import type { CertificateRow } from "./certificateRow.ts";
import type { List } from "./list.ts";

/** Problems with one origin, so that fifty failures of one CA are one line. Instants are ms since epoch. */
export interface CauseRow {
  /** The value of the certificates' facet `cause`. */
  readonly cause: string;
  readonly what: string;
  /** An error of one of them; foreign text. */
  readonly message: string | null;
  readonly code: string | null;
  readonly certificates: number;
  readonly example: string;
  readonly needsPerson: boolean;
  readonly isAcknowledged: boolean;
  readonly soonestExpiry: number | null;
  /** What part of the soonest one's life is left, 0 to 1; null: nothing was issued. */
  readonly runway: number | null;
  /** In the last renewal: how many of them failed in a row is said by `what`. */
  readonly attempts: number;
  readonly lastTriedAt: number | null;
  readonly nextAt: number | null;
  readonly next: string;
  readonly action: string;
  readonly renewalId: string | null;
}

export function causeRows(
  rows: ReadonlyMap<string, CertificateRow>,
  { problems }: Pick<StatusReport, "problems">,
  now: number,
): CauseRow[] {
  // `problems` are sorted by expiry: the first of a group is the one that matters most.
  const groups = Map.groupBy(problems, ({ certificate }) => rows.get(certificate)?.cause ?? null);
  return [...groups].flatMap(([cause, troubles]): CauseRow[] => {
    const [worst] = troubles;
    if (cause === null || worst === undefined) return [];
    const life = rows.get(worst.certificate)?.life ?? null;
    const expiresAt = worst.expiresAt === null ? null : Date.parse(worst.expiresAt);
    const [error] = worst.errors;
    const nextAt = earliest(troubles.map(({ next }) => next.at));
    return [
      {
        cause,
        what: worst.problems.map(({ what }) => what).join("; "),
        message: error?.message ?? null,
        code: error?.code ?? null,
        certificates: troubles.length,
        example: worst.certificate,
        needsPerson: troubles.some((each) => each.needsPerson),
        isAcknowledged: troubles.every(({ acknowledged }) => acknowledged !== null),
        soonestExpiry: expiresAt,
        runway:
          life === null || expiresAt === null
            ? null
            : Math.min(1, Math.max(0, (expiresAt - now) / (life.to - life.from))),
        attempts: Math.max(...troubles.map(({ tried }) => tried.attempts)),
        lastTriedAt: latest(troubles.map(({ tried }) => tried.lastAt)),
        nextAt,
        next:
          troubles.find(({ next }) => next.at !== null && Date.parse(next.at) === nextAt)?.next.what ?? worst.next.what,
        action: worst.actions[0] ?? "",
        renewalId: worst.renewalId,
      },
    ];
  });
}

function earliest(instants: readonly (string | null)[]): number | null {
  const known = instants.flatMap((at) => (at === null ? [] : [Date.parse(at)]));
  return known.length === 0 ? null : Math.min(...known);
}

function latest(instants: readonly (string | null)[]): number | null {
  const known = instants.flatMap((at) => (at === null ? [] : [Date.parse(at)]));
  return known.length === 0 ? null : Math.max(...known);
}

export const causeList: List<CauseRow> = {
  name: "causes",
  columns: [
    { key: "cause", title: "Cause", value: ({ cause }) => cause },
    { key: "certificates", title: "Certificates", value: ({ certificates }) => certificates },
    { key: "what", title: "What", value: ({ what }) => what },
    { key: "code", title: "Error", value: ({ code }) => code },
    { key: "message", title: "Message", value: ({ message }) => message },
    { key: "attempts", title: "Attempts", value: ({ attempts }) => attempts },
    { key: "action", title: "What to do", value: ({ action }) => action },
  ],
  facets: [{ key: "person", title: "Needs a person", values: ({ needsPerson }) => [needsPerson ? "yes" : "no"] }],
  sorts: {
    worst: ({ needsPerson, soonestExpiry }) => (needsPerson ? 0 : 1) * 1e13 + (soonestExpiry ?? 0),
    certificates: ({ certificates }) => certificates,
  },
  defaultSort: "worst",
  id: ({ cause }) => cause,
  text: ({ cause, what, message }) => [cause, what, message ?? ""],
};
