import { randomUUID } from "node:crypto";
import { mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";
import { RenewalError } from "../domain/errors.ts";
import type { HistoryMark } from "../domain/event.ts";
import type { EventStore } from "../domain/store.ts";

/**
 * The newest event that this machine has seen, in a file outside the database: a history that was put back to an
 * earlier state, or deleted, is whole in itself and shows only against it.
 */
const FILE = "history.head";
const FILE_BYTES_MAX = 1_024;

const markJson: z.ZodType<HistoryMark> = z.object({ seq: z.int().positive(), at: z.int(), seal: z.string() });

/** Null: this machine has seen no event yet. Throws `store.altered` for a file that is something else. */
export async function readMark(dataDir: string): Promise<HistoryMark | null> {
  const path = join(dataDir, FILE);
  try {
    const text = await readFile(path, "utf8");
    return markJson.parse(JSON.parse(text.slice(0, FILE_BYTES_MAX)));
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT") return null;
    throw new RenewalError("store.altered", `${path}: is not as renewd wrote it`, { cause: thrown });
  }
}

export async function writeMark(dataDir: string, mark: HistoryMark): Promise<void> {
  const path = join(dataDir, FILE);
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const draft = `${path}.${randomUUID()}`;
  try {
    await using file = await open(draft, "wx", 0o600);
    await file.writeFile(`${JSON.stringify(mark)}\n`);
    await file.sync();
    await rename(draft, path);
  } finally {
    await rm(draft, { force: true });
  }
}

/** As `renewd audit verify --head` takes it. */
export function markText({ seq, seal }: Pick<HistoryMark, "seq" | "seal">): string {
  return `${seq}:${seal}`;
}

/** Null: the text is none. */
export function parseMark(text: string): Pick<HistoryMark, "seq" | "seal"> | null {
  const [, seq, seal] = /^(\d{1,15}):([A-Za-z0-9_-]{43})$/.exec(text.trim()) ?? [];
  return seq === undefined || seal === undefined ? null : { seq: Number(seq), seal };
}

/**
 * Whether the history still has the event that was noted. Retention, and a restore by renewd after
 * the noted event, explain that it has not.
 */
export async function stillHolds(
  events: Pick<EventStore, "mark" | "list" | "prunedTo">,
  noted: Pick<HistoryMark, "seq" | "seal"> & { readonly at?: number },
): Promise<boolean> {
  if ((await events.mark(noted.seq))?.seal === noted.seal) return true;
  if (noted.seq <= (await events.prunedTo())) return true;
  if (noted.at === undefined) return false;
  const restored = await events.list({ types: ["store.restored"], since: noted.at, limit: 1, sealed: true });
  return restored.length > 0;
}
