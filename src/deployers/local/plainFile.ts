import type { Stats } from "node:fs";

/** Record and files are swapped in one go, of which the scheduler may take some time. What changes later is seen. */
const SWAP_MS_MAX = 50;
const GROUP_BITS = 0o070;

/** A file that renewd made with nothing but an owner and a mode, as the record beside it says. */
export interface PlainFile {
  /** Its number on its disk: a copy from a backup has another one. */
  readonly ino: string;
  /** When the record was put in place, ms since epoch. */
  readonly recordedAt: number;
}

/** What was written, by the paths that stay the same. */
export interface WrittenFiles {
  readonly keyModes: ReadonlyMap<string, number>;
  /** Their numbers, as in `PlainFile`. */
  readonly plainFiles: ReadonlyMap<string, string>;
}

/**
 * Whether it still has neither an ACL nor extended attributes: each change of these sets its ctime (inode(7)), as the
 * swap did. Where the group may do nothing, a default ACL that its directory got since gives nobody anything.
 */
export function isStillPlain(plain: PlainFile | undefined, found: Stats, wantedMode: number): boolean {
  if (plain === undefined || ((found.mode | wantedMode) & GROUP_BITS) !== 0) return false;
  const swapMs = found.ctimeMs - plain.recordedAt;
  return String(found.ino) === plain.ino && swapMs >= 0 && swapMs <= SWAP_MS_MAX;
}
