import type { AlertRow } from "./lists/alertList.ts";
import type { CauseRow } from "./lists/causeList.ts";
import type { CertificateRow } from "./lists/certificateRow.ts";
import type { DeploymentRow } from "./lists/deploymentList.ts";
import type { EndpointRow } from "./lists/endpointList.ts";
import type { ReplacementEntry } from "./replacements.ts";
import type { StatusReport } from "./status.ts";
import type { Examined, Rest } from "./summary.ts";

/** The fleet at one instant, and the rows of every list that is made of it. */
export interface Snapshot {
  /** When its oldest part was read, ms since epoch. */
  readonly at: number;
  /** Number of the newest event of the history before that; 0: there was none. */
  readonly seq: number;
  /** The database could not be read since. */
  readonly isOutdated: boolean;
  /** Certificates that have no rows, as the planner found them well and they were not read yet. null: there are none. */
  readonly unread: Rest | null;
  readonly examined: readonly Examined[];
  readonly byName: ReadonlyMap<string, Examined>;
  readonly status: StatusReport;
  readonly rows: ReadonlyMap<string, CertificateRow>;
  readonly certificates: readonly CertificateRow[];
  readonly endpoints: readonly EndpointRow[];
  readonly deployments: readonly DeploymentRow[];
  readonly alerts: readonly AlertRow[];
  readonly causes: readonly CauseRow[];
  readonly replacements: readonly ReplacementEntry[];
}

/** How many there are, read or not. */
export function certificateCount({ certificates, unread }: Pick<Snapshot, "certificates" | "unread">): number {
  return certificates.length + (unread === null ? 0 : unread.provedLive + unread.notProved);
}

type Filling = Snapshot & {
  readonly certificates: CertificateRow[];
  readonly endpoints: EndpointRow[];
  readonly deployments: DeploymentRow[];
};

/** Of no certificate, read never. */
export function emptySnapshot(): Filling {
  return {
    at: 0,
    seq: 0,
    isOutdated: false,
    unread: null,
    examined: [],
    byName: new Map(),
    status: {
      version: 2,
      at: "1970-01-01T00:00:00.000Z",
      needsPerson: false,
      notices: [],
      problems: [],
      inFlight: [],
      summary: {
        ...{
          provedLive: 0,
          unknown: 0,
          notProved: 0,
          notIssued: 0,
          observed: 0,
          renewing: 0,
          withProblems: 0,
          certificates: 0,
        },
        ...{
          inFlight: 0,
          paused: 0,
          plannerSaw: 0,
          oldestProofAt: null,
          nextExpiry: null,
          checkedSince: "1970-01-01T00:00:00.000Z",
        },
      },
      processes: [],
    },
    rows: new Map(),
    certificates: [],
    endpoints: [],
    deployments: [],
    alerts: [],
    causes: [],
    replacements: [],
  };
}
