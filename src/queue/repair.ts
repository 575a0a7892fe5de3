import type { Cluster, Redis } from "ioredis";

/**
 * BullMQ's own keys of a queue. A producer may name its job like one of them; if the key did not exist just then, the
 * job's hash takes its place, and every command that expects the list or set fails from then on.
 */
const OWN_KEYS = [
  ...(["wait", "active", "paused", "delayed", "prioritized", "completed", "failed", "waiting-children"] as const),
  ...(["stalled", "stalled-check", "marker", "events", "id", "pc", "limiter", "repeat"] as const),
];

/** Whether a job of this id sits where BullMQ keeps something else. */
export function isOwnKey(jobId: string | undefined): boolean {
  const names: readonly string[] = OWN_KEYS;
  return jobId !== undefined && names.includes(jobId);
}

/** What stands for a payload that is no JSON. No schema accepts it, so the job is refused in the usual way. */
export const UNREADABLE = JSON.stringify({ dropped: "not JSON" });
/** Taken at a time; more come up when these are gone. */
const ACTIVE_MAX = 200;

/**
 * Removes what makes every command, or the reading of a job, fail: BullMQ would meet it again and again, without end.
 * Returns a sentence about each repair.
 */
export async function repairQueue(client: Redis | Cluster, prefix: string, queue: string): Promise<string[]> {
  const key = (name: string): string => `${prefix}:${queue}:${name}`;
  const done: string[] = [];
  for (const name of OWN_KEYS) {
    if ((await client.type(key(name))) !== "hash") continue;
    await client.del(key(name));
    for (const list of ["active", "wait", "paused"]) await client.lrem(key(list), 0, name).catch(() => {});
    done.push(`a job named "${name}" had taken the place of a key of queue ${queue}: it was removed`);
  }
  for (const jobId of await client.lrange(key("active"), 0, ACTIVE_MAX - 1)) {
    const [data, opts, progress] = await client.hmget(key(jobId), "data", "opts", "progress");
    if (isReadable(data) && isReadable(opts) && isReadable(progress)) continue;
    await client.hset(key(jobId), { data: UNREADABLE, opts: "{}", progress: "0" });
    done.push("a job that is not JSON is refused");
  }
  return done;
}

export function isReadable(text: string | null | undefined): boolean {
  if (text == null || text === "") return true;
  try {
    return typeof JSON.parse(text) !== "undefined";
  } catch {
    return false;
  }
}
