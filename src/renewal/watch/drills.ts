import type { Drill, DrillMember } from "../../domain/drill.ts";
import type { Context } from "../context.ts";
import { drillEnd, drillTimes, measured } from "../rules/drill.ts";

/** Of one certificate since the drill began. */
const RENEWALS_MAX = 20;

type DrillContext = Pick<Context, "store" | "services" | "clockGuard"> & {
  readonly clock: Pick<Context["clock"], "now">;
};

/**
 * Writes down how far the certificates of every running drill have come: what is measured outlives the renewals and
 * pairs that retention removes. Returns how many drills ended.
 */
export async function measureDrills(context: DrillContext, signal: AbortSignal): Promise<number> {
  const { store, clock } = context;
  const running = await store.drills.running();
  if (running.length === 0) return 0;
  await context.clockGuard.check(signal);
  const replacements = new Map((await store.replacements.list()).map((each) => [each.id, each]));
  let ended = 0;
  for (const drill of running) {
    const members: DrillMember[] = [];
    for (const member of drill.members) {
      signal.throwIfAborted();
      members.push(member.proved === null ? await measure(context, drill, member) : member);
    }
    const of = replacements.get(drill.id) ?? { deadline: drill.startedAt, endedAt: null };
    const finishedAt = drillEnd(members, of, clock.now());
    if (finishedAt === null && JSON.stringify(members) === JSON.stringify(drill.members)) continue;
    if (await record(context, { ...drill, members, finishedAt })) ended += 1;
  }
  return ended;
}

async function measure({ store, services }: DrillContext, drill: Drill, member: DrillMember): Promise<DrillMember> {
  const { certificate } = member;
  const targets = services.certificate(certificate)?.targets ?? [];
  const renewals = await store.renewals.list({ certificate, limit: RENEWALS_MAX });
  const deployments = await store.deployments.list(certificate);
  return measured(member, {
    startedAt: drill.startedAt,
    renewals,
    versions: await store.versions.list(certificate),
    deployments: deployments.filter(({ target }) => targets.includes(target)),
    targets: targets.length,
  });
}

/** The end is said once, whichever planner finds it first. False: it goes on, or had ended. */
function record({ store, clock }: DrillContext, drill: Drill): Promise<boolean> {
  return store.transaction(async (tx) => {
    await tx.certificates.lock(drill.members.map(({ certificate }) => certificate));
    if (!(await tx.drills.running()).some(({ id }) => id === drill.id)) return false;
    await tx.drills.save(drill);
    if (drill.finishedAt === null) return false;
    const proved = drillTimes(drill).find(({ stage }) => stage === "proved");
    await tx.events.append({
      at: clock.now(),
      type: "drill.finished",
      ...{ certificate: null, renewalId: null, target: null },
      detail: {
        drill: drill.id,
        certificates: drill.members.length,
        proved: proved?.reached ?? 0,
        p50Ms: proved?.p50Ms ?? null,
        p95Ms: proved?.p95Ms ?? null,
        maxMs: proved?.maxMs ?? null,
      },
    });
    return true;
  });
}
