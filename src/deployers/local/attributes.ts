import type { Stats } from "node:fs";

/** Who may use a file. */
export interface Attributes {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

export interface AskedAttributes {
  /** Holds the private key: others never get access, whatever they have today. */
  readonly secret: boolean;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
}

export interface WantedAttributes {
  readonly mode: number;
  /** null: the owner of the process that creates the file. */
  readonly uid: number | null;
  readonly gid: number | null;
}

/** What owner and group may do with a private key. */
const KEY_BITS = 0o770;

/**
 * The attributes of a file that replaces `existing`, or of a new one. A renewal must not change who can read a file, or the
 * server that reads it fails at its next start. A new key takes what `nearby` has, unless an owner or a group is asked for.
 */
export function wantedAttributes(
  file: AskedAttributes,
  existing: Pick<Stats, "mode" | "uid" | "gid"> | null,
  nearby: Attributes | null = null,
): WantedAttributes {
  const asked = file.uid !== undefined || file.gid !== undefined;
  const model = existing ?? (file.secret && !asked ? nearby : null);
  const inherited = model === null ? null : model.mode & (file.secret ? KEY_BITS : 0o777);
  return {
    mode: file.mode ?? inherited ?? newMode(file),
    uid: file.uid ?? model?.uid ?? null,
    gid: file.gid ?? model?.gid ?? null,
  };
}

/** A `group` without an `owner` has a purpose only if the group may read. */
function newMode({ secret, uid, gid }: AskedAttributes): number {
  if (!secret) return 0o644;
  return gid !== undefined && uid === undefined ? 0o640 : 0o600;
}

/** A user who reads files: the user of a running server. */
export interface Reader {
  readonly uid: number;
  readonly gids: readonly number[];
  /** For people, such as `haproxy (process 812)`. */
  readonly name: string;
}

const READ = 0o4;
const ENTER = 0o1;

export function canRead(reader: Reader, attributes: Attributes): boolean {
  return may(reader, attributes, READ);
}

export function canEnter(reader: Reader, directory: Attributes): boolean {
  return may(reader, directory, ENTER);
}

/** The first class that fits decides, as in path_resolution(7): an owner without a right does not get it as a group member. */
function may({ uid, gids }: Reader, attributes: Attributes, bit: number): boolean {
  if (uid === 0) return true;
  if (uid === attributes.uid) return (attributes.mode & (bit << 6)) !== 0;
  if (gids.includes(attributes.gid)) return (attributes.mode & (bit << 3)) !== 0;
  return (attributes.mode & bit) !== 0;
}

export function modeText(mode: number): string {
  return (mode & 0o7777).toString(8).padStart(4, "0");
}
