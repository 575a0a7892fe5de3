import type { Responsibility } from "../../domain/responsibility.ts";
import { iso } from "../instant.ts";
import type { Examined } from "../summary.ts";
import type { List } from "./list.ts";
import { responsibilityColumns, responsibilityFacets } from "./responsibility.ts";

/** `current`: the target accepted the latest generation. What it serves is the endpoints' word. */
export const DEPLOYMENT_STATES = ["failing", "drifted", "behind", "none", "current"] as const;
export type DeploymentState = (typeof DEPLOYMENT_STATES)[number];

/** One certificate at one target. Instants are ms since epoch. */
export interface DeploymentRow {
  readonly certificate: string;
  readonly target: string;
  readonly state: DeploymentState;
  readonly issued: number;
  readonly deployed: number;
  readonly deployedAt: number | null;
  /** When the generation that it lacks was issued; null: it lacks none. */
  readonly behindSince: number | null;
  readonly nextAttemptAt: number | null;
  readonly attempts: number;
  readonly errorCode: string | null;
  /** Of the last attempt, or of the last inspection. */
  readonly message: string | null;
  /** The target's where somebody is named for it, else the certificate's. */
  readonly responsibility: Responsibility;
}

/** Of targets; null: nobody is named. */
export type TargetResponsibility = (target: string) => Responsibility | null;

export function deploymentRows(
  { member, now }: Examined,
  ofTarget: TargetResponsibility = () => null,
): DeploymentRow[] {
  const { certificate, version, deployments } = member;
  return certificate.targets.map((target) => {
    const row = deployments.find((each) => each.target === target);
    const issued = version?.generation ?? 0;
    const deployed = row?.deployedGeneration ?? 0;
    const stateOf = (): DeploymentState => {
      if (row !== undefined && row.errorCode !== null) return "failing";
      if (row !== undefined && row.inspectionProblem !== null) return "drifted";
      if (issued === 0) return "none";
      return deployed < issued ? "behind" : "current";
    };
    return {
      certificate: certificate.name,
      target,
      state: stateOf(),
      issued,
      deployed,
      deployedAt: row?.deployedAt ?? null,
      behindSince: deployed < issued ? (version?.createdAt ?? null) : null,
      nextAttemptAt: nextAttemptOf(member, row, now),
      attempts: row?.attempts ?? 0,
      errorCode: row?.errorCode ?? null,
      message: row?.errorMessage ?? row?.inspectionProblem ?? null,
      responsibility: answering(ofTarget(target), certificate.responsibility),
    };
  });
}

/** The renewal that gave it up is followed by the next one, which the planner begins after its back-off. */
function nextAttemptOf(
  { active, record }: Examined["member"],
  row: Examined["member"]["deployments"][number] | undefined,
  now: number,
): number | null {
  if (row === undefined || row.errorCode === null) return row?.nextAttemptAt ?? null;
  const own = row.exhausted ? null : row.nextAttemptAt;
  const at =
    own ?? active?.retryAt ?? (active === null ? (record?.nextAttemptAt ?? record?.nextCheckAt ?? null) : null);
  return at !== null && at > now ? at : null;
}

function answering(ofTarget: Responsibility | null, ofCertificate: Responsibility): Responsibility {
  const isNamed = ofTarget !== null && (ofTarget.owner !== null || ofTarget.team !== null);
  return isNamed ? ofTarget : ofCertificate;
}

export const deploymentList: List<DeploymentRow> = {
  name: "deployments",
  columns: [
    { key: "target", title: "Target", value: ({ target }) => target },
    { key: "certificate", title: "Certificate", value: ({ certificate }) => certificate },
    { key: "state", title: "State", value: ({ state }) => state },
    { key: "issued", title: "Issued", value: ({ issued }) => issued },
    { key: "deployed", title: "Deployed", value: ({ deployed }) => deployed },
    { key: "deployedAt", title: "Deployed at", value: ({ deployedAt }) => iso(deployedAt) },
    { key: "behindSince", title: "Behind since", value: ({ behindSince }) => iso(behindSince) },
    { key: "nextAttemptAt", title: "Next attempt", value: ({ nextAttemptAt }) => iso(nextAttemptAt) },
    { key: "attempts", title: "Attempts", value: ({ attempts }) => attempts },
    { key: "errorCode", title: "Error", value: ({ errorCode }) => errorCode },
    { key: "message", title: "Message", value: ({ message }) => message },
    ...responsibilityColumns,
  ],
  facets: [
    { key: "state", title: "State", values: ({ state }) => [state] },
    { key: "target", title: "Target", values: ({ target }) => [target] },
    { key: "error", title: "Error", values: ({ errorCode }) => [errorCode ?? "none"] },
    ...responsibilityFacets,
    { key: "certificate", title: "Certificate", values: ({ certificate }) => [certificate], isCounted: false },
  ],
  sorts: {
    worst: ({ state, behindSince }) => DEPLOYMENT_STATES.indexOf(state) * 1e13 + (behindSince ?? 0),
    target: ({ target }) => target,
    certificate: ({ certificate }) => certificate,
    deployed: ({ deployedAt }) => deployedAt,
    behind: ({ behindSince }) => behindSince,
  },
  defaultSort: "worst",
  id: ({ certificate, target }) => `${target} ${certificate}`,
  text: ({ certificate, target, message }) => [certificate, target, message ?? ""],
};
