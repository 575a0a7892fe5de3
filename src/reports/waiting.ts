import { isLeaseHeld } from "../domain/lease.ts";
import type { RenewalState } from "../domain/renewal.ts";
import type { Role } from "../domain/role.ts";
import { DEFAULT_SETTINGS } from "../renewal/rules/settings.ts";
import { vantagesOf } from "../renewal/rules/vantages.ts";
import { waitsUntil } from "./failures.ts";
import type { Member } from "./fleet.ts";
import type { Waiting } from "./health.ts";
import type { Need } from "./needs.ts";
import type { Case } from "./problems.ts";

/** Who takes a renewal in this state on; a held one waits for a person. */
const ROLE_OF: Readonly<Partial<Record<RenewalState, Role>>> = {
  planned: "acme",
  issuing: "acme",
  deploying: "deployer",
  verifying: "verifier",
};

const SPOKEN: Readonly<Record<Role, string>> = {
  planner: "a planner",
  acme: "an acme worker",
  deployer: "a deployer",
  verifier: "a verifier",
  web: "the web role",
};

/** Somebody has claimed the renewal, or one of its deployments, and its lease is running. */
export function isClaimed({ active, deployments }: Member, now: number): boolean {
  if (active === null) return false;
  const { leaseMs } = DEFAULT_SETTINGS;
  const leases = [active.leaseUntil, ...deployments.map(({ leaseUntil }) => leaseUntil)];
  return leases.some((leaseUntil) => isLeaseHeld(leaseUntil, now, leaseMs));
}

/** A renewal that nobody has claimed and that need not wait; null: it is moving, or backs off. */
export function waitingOf({ member, lastEventAt, now }: Case): Waiting | null {
  const { active, certificate } = member;
  const role = active === null ? undefined : ROLE_OF[active.state];
  if (active === null || role === undefined || isClaimed(member, now) || waitsUntil(member, now) !== null) return null;
  return { certificate: certificate.name, role, since: Math.max(active.createdAt, lastEventAt ?? 0) };
}

/** What happens to a renewal that need not wait. Nothing happens "now" unless somebody has claimed it. */
export function atWork(member: Member, missing: readonly Need[], now: number): string {
  const { active } = member;
  if (active === null) return "nothing is in flight";
  if (isClaimed(member, now)) return `${active.state}: a worker is at it`;
  const role = ROLE_OF[active.state];
  if (role === undefined) return `waits while ${active.state}`;
  const looking = vantagesOf(member.certificate.endpoints);
  const absent = missing.filter(
    ({ role: needed, vantage }) => needed === role && (vantage === undefined || looking.includes(vantage)),
  );
  const vantages = absent.flatMap(({ vantage }) => vantage ?? []);
  if (absent.length > 0 && vantages.length === absent.length)
    return `waits for a verifier of vantage ${vantages.join(" and ")}, and none runs`;
  return `waits for ${SPOKEN[role]} to take it${absent.length > 0 ? ", and none runs" : ""}`;
}

export function roleOf(state: RenewalState): Role | null {
  return ROLE_OF[state] ?? null;
}
