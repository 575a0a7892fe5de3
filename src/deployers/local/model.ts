import type { Stats } from "node:fs";
import { realpath, stat } from "node:fs/promises";
import type { WantedAttributes } from "./attributes.ts";
import { type Model, maskIsZero } from "./fileAccess.ts";
import type { Nearby } from "./nearby.ts";
import { isStillPlain, type PlainFile } from "./plainFile.ts";

/** A file of which the new one takes over attributes. */
export interface Replaced {
  readonly at: string;
  readonly stats: Stats;
}

/** null: there is no such file. */
export async function replacedFile(path: string | undefined): Promise<Replaced | null> {
  if (path === undefined) return null;
  const stats = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return null;
    throw error;
  });
  return stats?.isFile() ? { at: await realpath(path), stats } : null;
}

interface Asked {
  readonly plain?: boolean;
  readonly plainFile?: PlainFile;
}

interface Models {
  readonly replaced: Replaced | null;
  readonly nearby: Nearby | null;
  readonly wanted: WantedAttributes;
}

/** The file whose ACL a new one takes over; null: none, or one that has nothing to take over. */
export function modelOf({ plain, plainFile }: Asked, { replaced, nearby, wanted }: Models): Model | null {
  if (plain === true) return null;
  if (replaced !== null) {
    const isPlain = isStillPlain(plainFile, replaced.stats, wanted.mode);
    return isPlain ? null : { at: replaced.at, extendedAttributes: true };
  }
  if (nearby === null || nearby.sibling === null || maskIsZero(nearby)) return null;
  return { at: nearby.sibling, extendedAttributes: false };
}
