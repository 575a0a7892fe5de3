import { NOTICE_KINDS, type NoticeKind } from "../../../reports/notices.ts";
import { PROBLEM_KINDS, type ProblemKind } from "../../../reports/problems.ts";
import type { Snapshot } from "../../../reports/snapshot.ts";

/** Kinds of findings as people read them; lists and the API have the code. */
export const FINDING_WORDS: Readonly<Record<NoticeKind | ProblemKind, string>> = {
  expired: "expired",
  revoked: "revoked",
  unplannable: "cannot be planned",
  noIssuer: "no issuer left",
  quarantined: "quarantined",
  held: "held",
  expiring: "expires soon",
  failing: "failing",
  stale: "not served",
  drifted: "drifted",
  notDeployed: "not deployed",
  paused: "paused",
  restored: "restored from a backup",
  stuck: "stuck",
  clock: "clock",
  database: "database",
  disk: "disk",
  directory: "data directory",
  key: "master key",
  configuration: "configuration",
  redis: "Redis",
  role: "a role that nothing serves",
  process: "a process",
  port: "a port",
  reload: "a reload",
  queue: "queue",
  planner: "planner",
  proof: "proofs too old",
  channel: "a channel",
  load: "load",
  window: "renewal windows",
  rehearsal: "rehearsals",
  leftovers: "leftovers",
  unmanaged: "not managed",
  heartbeat: "heartbeat",
  peer: "another renewd",
  watched: "watched endpoints",
};

const KINDS: readonly string[] = [...NOTICE_KINDS, ...PROBLEM_KINDS];

export function findingWord(kind: string): string {
  return KINDS.includes(kind) ? FINDING_WORDS[kind as NoticeKind | ProblemKind] : kind;
}

/** What a form is about: a certificate's name, or what of renewd itself; never the id of a finding. */
export function subjectText(subject: string, { alerts }: Pick<Snapshot, "alerts">): string {
  const finding = alerts.find((each) => each.subject === subject && each.about === "renewd");
  return finding === undefined ? subject : `renewd itself: ${findingWord(finding.kind)}`;
}
