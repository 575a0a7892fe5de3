import { STEADY_MS, type SteadyEnd, type SteadyMembers, type SteadyPart, type SteadySum } from "../domain/steady.ts";
import { isDistrusted } from "../renewal/rules/suggestion.ts";
import { vantagesOf } from "../renewal/rules/vantages.ts";
import { expiryWarningAt } from "../renewal/rules/window.ts";
import { progressOf } from "./fleet.ts";
import { isOverdue } from "./notices.ts";
import type { Examined } from "./summary.ts";

/** What a part of the fleet holds, of which all that there is to read was read. `altered`: somebody else wrote these rows. */
export function steadyPartOf(
  examined: readonly Examined[],
  altered: readonly string[],
  read: Pick<SteadyPart, "after" | "last" | "checkedAt" | "seq" | "release">,
): { readonly part: SteadyPart; readonly members: SteadyMembers } {
  const { steady = [], others = [] } = Object.groupBy(examined, (each) => (isSteady(each) ? "steady" : "others"));
  const isProved = ({ member }: Examined): boolean => progressOf(member).provedLive;
  const members = {
    provedLive: steady.filter(isProved).map(endOf).sort(byEnd),
    notProved: steady
      .filter((each) => !isProved(each))
      .map(endOf)
      .sort(byEnd),
  };
  const endpoints = steady.flatMap(({ member }) => member.certificate.endpoints);
  const notSteady = [...others.map(nameOf), ...altered];
  return { part: { ...read, vantages: vantagesOf(endpoints), steady: sumOf(members), others: notSteady }, members };
}

/** What is left of them without these names. */
export function sumOf({ provedLive, notProved }: SteadyMembers, without: ReadonlySet<string> = NONE): SteadySum {
  const isLeft = ([name]: SteadyEnd): boolean => !without.has(name);
  const [proved, others] = [provedLive.filter(isLeft), notProved.filter(isLeft)];
  const [soonest = null] = [...proved.slice(0, 1), ...others.slice(0, 1)].sort(byEnd);
  return { provedLive: proved.length, notProved: others.length, soonest };
}

const NONE: ReadonlySet<string> = new Set();

/** The soonest first. */
export function byEnd([a, aEnd]: SteadyEnd, [b, bEnd]: SteadyEnd): number {
  return aEnd - bEnd || (a < b ? -1 : 1);
}

function nameOf({ member }: Examined): string {
  return member.certificate.name;
}

function endOf({ member, expiresAt, now }: Examined): SteadyEnd {
  return [member.certificate.name, expiresAt ?? now];
}

/** Nothing is wrong with it, nothing is said of it but how it is proved, and until `STEADY_MS` from now no limit is reached. */
function isSteady({ member, problems, expiresAt, now }: Examined): boolean {
  const { certificate, record, version, active, renewalInfo } = member;
  if (record === null || version === null || active !== null || expiresAt === null || problems.length > 0) return false;
  const until = now + STEADY_MS;
  const { provedLive, targets, targetsDeployed } = progressOf(member);
  return (
    (provedLive || certificate.endpoints.length === 0) &&
    targetsDeployed === targets &&
    expiresAt > until &&
    expiryWarningAt(version.leaf) > until &&
    record.digest === certificate.digest &&
    record.pausedAt === null &&
    record.restoredAt === null &&
    record.rehearsalProblem === null &&
    !isOverdue(member, now) &&
    (renewalInfo === null || (renewalInfo.explanationUrl === null && !isDistrusted(renewalInfo)))
  );
}
