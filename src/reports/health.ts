import { type Heartbeat, isLive } from "../domain/heartbeat.ts";
import { CLOCK_SKEW_MAX_MS } from "../domain/lease.ts";
import { RENEWAL_ROLES, type Role } from "../domain/role.ts";
import { formatAgo, formatDuration } from "../domain/time.ts";
import { lostProcesses } from "../renewal/rules/lostProcesses.ts";
import { silentVantages, vantageAdvice } from "../renewal/rules/vantages.ts";
import type { Member } from "./fleet.ts";
import { missingNeeds, type Need, type NeedFacts, serves } from "./needs.ts";
import type { Notice } from "./notices.ts";

/** Work that waits for longer than this for a role that has finished nothing meanwhile. */
const UNDRAINED_MS = 60_000;
/** A planner plans and sweeps within seconds. */
const HANGING_MS = 300_000;

/** A renewal that waits for a role, and nothing has happened to it since. */
export interface Waiting {
  readonly certificate: string;
  readonly role: Role;
  /** ms since epoch. */
  readonly since: number;
}

export interface HealthFacts extends NeedFacts {
  readonly waiting: readonly Waiting[];
  /** Those that wait are among them. */
  readonly fleet: readonly Member[];
}

/** The state of renewd's own processes: what is missing, stopped, blocked or contradictory. Causes come first. */
export function healthNotices(facts: HealthFacts): Notice[] {
  return [
    ...strangeClocks(facts),
    ...problemsOfProcesses(facts, "disk"),
    ...problemsOfProcesses(facts, "redis"),
    ...missingRoles(facts),
    ...problemsOfProcesses(facts, "role"),
    ...problemsOfProcesses(facts, "port"),
    ...problemsOfProcesses(facts, "directory"),
    ...problemsOfProcesses(facts, "heartbeat"),
    ...problemsOfProcesses(facts, "reload"),
    ...undrained(facts),
    ...hangingPlanners(facts),
    ...otherConfigurations(facts),
    ...silentProcesses(facts),
  ];
}

function missingRoles(facts: HealthFacts): Notice[] {
  const missing = missingNeeds(facts);
  const isFleetWide = ({ target, vantage }: Need): boolean => target === null && vantage === undefined;
  const fleetWide = missing.filter(isFleetWide);
  const parts = missing.filter((need) => !isFleetWide(need));
  return [
    ...(fleetWide.length === 0 ? [] : [missingNotice(fleetWide, facts)]),
    ...parts.map((need) => missingNotice([need], facts)),
  ];
}

function missingNotice(missing: readonly Need[], { beats, now }: HealthFacts): Notice {
  const [{ role, target, vantage } = { role: "planner", target: null, vantage: undefined }] = missing;
  const roles = missing.map((need) => need.role);
  const last = beats
    .filter((beat) => missing.some((need) => serves(beat, need)))
    .sort((a, b) => a.beatAt - b.beatAt)
    .at(-1);
  const base = { kind: "role", needsPerson: true, certificates: [] } as const;
  const seen = lastSeen(last, now);
  if (vantage !== undefined)
    return {
      ...base,
      id: `role/verifier/${vantage}`,
      what: `no verifier of vantage ${vantage} runs, so what is served there is unknown: ${seen}`,
      action: vantageAdvice(vantage),
    };
  if (target !== null)
    return {
      ...base,
      id: `role/${role}/${target}`,
      what: `no deployer for target ${target} runs: ${seen}`,
      action: agentAdvice(target),
    };
  return {
    ...base,
    id: `role/${roles.join("+")}`,
    what: `no ${listed(roles, "or")} runs: ${seen}`,
    action: startAdvice(missing, beats),
  };
}

function lastSeen(last: Heartbeat | undefined, now: number): string {
  if (last === undefined) return "none has been started yet";
  const { process, stoppedAt, beatAt } = last;
  return stoppedAt === null
    ? `${process} last reported ${formatAgo(now - beatAt)} and did not stop in order`
    : stoppedAt > now + CLOCK_SKEW_MAX_MS
      ? `${process} was stopped at a time that this machine's clock has not reached`
      : `${process} was stopped ${formatAgo(now - stoppedAt)}`;
}

function agentAdvice(target: string): string {
  return `Start it on the machine of ${target}: \`renewd worker deployer --targets ${target}\`.`;
}

/** As it was started before: all in one process, or each by itself. */
function startAdvice(missing: readonly Need[], beats: readonly Heartbeat[]): string {
  const byProcess = Map.groupBy(beats, ({ process }) => process);
  const wasTogether = [...byProcess.values()].some((rows) => rows.length >= RENEWAL_ROLES.length);
  if (beats.length === 0 || (wasTogether && missing.length > 1)) return "Start renewd: `renewd run`.";
  const commands = missing.map(({ role }) => `\`renewd worker ${role}\``);
  return `Start ${missing.length === 1 ? "it" : "each"}: ${listed(commands, "and")}.`;
}

function problemsOfProcesses(
  { beats, now }: HealthFacts,
  kind: "redis" | "disk" | "reload" | "role" | "port" | "directory" | "heartbeat",
): Notice[] {
  const found = beats
    .filter((beat) => isLive(beat, now))
    .flatMap((beat) => beat.problems.filter((problem) => problem.kind === kind).map((problem) => ({ beat, problem })));
  return [...Map.groupBy(found, ({ problem }) => problem.message)].map(([message, all]) => {
    const since = Math.min(...all.map(({ problem }) => problem.since));
    const processes = [...new Set(all.map(({ beat }) => beat.process))];
    return {
      id: `${kind}/${processes.join("+")}`,
      kind,
      what: `${message} (${listed(processes, "and")}, for ${formatDuration(Math.max(0, now - since))})`,
      action: all[0]?.problem.action ?? "",
      needsPerson: true,
      certificates: [],
    };
  });
}

/** A report from the future: one of two clocks is wrong. */
function strangeClocks({ beats, now }: HealthFacts): Notice[] {
  const isAhead = ({ beatAt }: Heartbeat): boolean => beatAt > now + CLOCK_SKEW_MAX_MS;
  // What stopped is past once something runs by the same clock as this one.
  const isPast = beats.some((beat) => isLive(beat, now) && !isAhead(beat));
  const ahead = beats.filter((beat) => isAhead(beat) && (beat.stoppedAt === null || !isPast));
  const [first] = ahead.sort((a, b) => b.beatAt - a.beatAt);
  if (first === undefined) return [];
  return [
    {
      id: "clock/reports",
      kind: "clock",
      what:
        `${first.process} reported ${formatDuration(first.beatAt - now)} in the future: its clock or this ` +
        "one is wrong",
      action: "Compare `date -u` on both machines with a clock that is right, and set the wrong one (NTP).",
      needsPerson: true,
      certificates: [],
    },
  ];
}

/** Renewals wait although their role runs, and it has finished nothing meanwhile. */
function undrained({ beats, fleet, waiting, now }: HealthFacts): Notice[] {
  const byName = new Map(fleet.map(({ certificate }) => [certificate.name, certificate.endpoints]));
  // Then its absence is the finding.
  const waitsForSilent = ({ role, certificate }: Waiting): boolean =>
    role === "verifier" && silentVantages(byName.get(certificate) ?? [], beats, now).size > 0;

  return [...Map.groupBy(waiting, ({ role }) => role)].flatMap(([role, all]): Notice[] => {
    const live = beats.filter((beat) => beat.role === role && isLive(beat, now));
    const late = all.filter((each) => now - each.since >= UNDRAINED_MS && !waitsForSilent(each));
    const busyAt = Math.max(...live.map(({ usefulAt, startedAt }) => usefulAt ?? startedAt));
    // Without a process the missing role is the cause, and so is Redis that is away.
    const isBlocked = live.some(({ problems }) => problems.some(({ kind }) => kind === "redis"));
    if (live.length === 0 || isBlocked || late.length === 0 || now - busyAt < UNDRAINED_MS) return [];
    const since = Math.min(...late.map((each) => each.since));
    const processes = listed(
      live.map(({ process }) => process),
      "and",
    );
    return [
      {
        id: `queue/${role}`,
        kind: "queue",
        what:
          `${count(late.length, "renewal")} waiting for the ${role} role for ` +
          `${formatDuration(now - since)}: it runs (${processes}) but takes no work`,
        action: `See its log; if it does not say why, restart it: \`renewd worker ${role}\`.`,
        needsPerson: true,
        certificates: late.map(({ certificate }) => certificate),
      },
    ];
  });
}

function hangingPlanners({ beats, now }: HealthFacts): Notice[] {
  const live = beats.filter((beat) => beat.role === "planner" && isLive(beat, now));
  const usefulAt = Math.max(...live.map((beat) => beat.usefulAt ?? beat.startedAt));
  if (live.length === 0 || now - usefulAt < HANGING_MS) return [];
  return [
    {
      id: "planner/hanging",
      kind: "planner",
      what:
        `the planner runs (${live.map(({ process }) => process).join(", ")}) but has planned nothing for ` +
        `${formatDuration(now - usefulAt)}`,
      action: "See its log; if it does not say why, restart it: `renewd worker planner`.",
      needsPerson: true,
      certificates: [],
    },
  ];
}

/** Two planners of different configurations remove each other's certificates; another role works by what is past. */
function otherConfigurations({ beats, now }: HealthFacts): Notice[] {
  const live = beats.filter((beat) => isLive(beat, now));
  const planners = live.filter(({ role }) => role === "planner");
  const byDigest = Map.groupBy(planners, ({ digest }) => digest);
  if (byDigest.size > 1) {
    const each = [...byDigest.values()].map(([first]) => `${first?.process} (${first?.configFile})`);
    return [
      {
        id: "configuration/planners",
        kind: "configuration",
        what: `${byDigest.size} planners use one database with different configurations: ${listed(each, "and")}`,
        action: "Stop the one that does not belong here, or reload both: `systemctl reload renewd`, or SIGHUP.",
        needsPerson: true,
        certificates: [],
      },
    ];
  }
  const [planner] = planners;
  const others = live.filter(({ digest }) => planner !== undefined && digest !== planner.digest);
  const processes = [...new Set(others.map(({ process }) => process))];
  if (processes.length === 0) return [];
  return [
    {
      id: "configuration/others",
      kind: "configuration",
      what:
        `${listed(processes, "and")} ${processes.length === 1 ? "works" : "work"} by another configuration ` +
        "than the planner",
      action: "Make the file the same there and reload: SIGHUP.",
      needsPerson: false,
      certificates: [],
    },
  ];
}

/** A process died while others of its role run. A newer one on the same machine takes its place. */
function silentProcesses({ beats, now }: HealthFacts): Notice[] {
  return lostProcesses(beats, now).map(({ process, roles, lastAt }) => ({
    id: `process/${process}`,
    kind: "process",
    what: `${process} (${listed(roles, "and")}) last reported ${formatAgo(now - lastAt)}; others of its kind run`,
    action: "Start it again, or nothing if the machine was taken out of service.",
    needsPerson: false,
    certificates: [],
  }));
}

export function listed(items: readonly string[], word: "and" | "or"): string {
  return items.length < 2 ? items.join("") : `${items.slice(0, -1).join(", ")} ${word} ${items.at(-1)}`;
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}
