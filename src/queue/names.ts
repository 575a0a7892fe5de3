import type { Job } from "../domain/queue.ts";

/** Queues by what their jobs say. `renewal-requests` is documented in docs/queue.md and open to any producer. */
export const QUEUES = {
  plan: "plan",
  issue: "issue",
  deploy: "deploy",
  verify: "verify",
  requests: "renewal-requests",
} as const;

/**
 * Deployments of a target with an agent of its own wait in a queue of their own. Target names hold no character that
 * BullMQ refuses.
 */
export function deployQueue(agentOf: string | null): string {
  return agentOf === null ? QUEUES.deploy : `${QUEUES.deploy}.${agentOf}`;
}

/** Each vantage has a queue of its own, as its endpoints can be dialled from there alone. */
export function verifyQueue(vantage: string | null): string {
  return vantage === null ? QUEUES.verify : `${QUEUES.verify}.${vantage}`;
}

/**
 * The same work has the same id, so BullMQ ignores it while the first still waits or runs. Read from the right it is
 * unambiguous: neither fence nor encoded target holds a dash. BullMQ refuses ids with `:` and ids that are integers.
 */
export function jobIdOf(job: Job): string {
  const target = job.kind === "deploy" ? [encode(job.target, /[^A-Za-z0-9._]/gu)] : [];
  return [job.kind, encode(job.renewalId, /[^A-Za-z0-9._-]/gu), ...target, job.fence].join("-");
}

function encode(text: string, unsafe: RegExp): string {
  return text.replace(unsafe, (character) => `%${Buffer.from(character).toString("hex")}`);
}
