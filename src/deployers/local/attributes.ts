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
  /** The mode that renewd gave the key last; left out: not known. */
  readonly written?: number | undefined;
}

export interface WantedAttributes {
  readonly mode: number;
  /** null: the owner of the process that creates the file. */
  readonly uid: number | null;
  readonly gid: number | null;
}

/** What owner and group may do with a private key. */
const KEY_BITS = 0o770;
const OTHERS = 0o007;
const GROUP = 0o070;
/** What a key may have that somebody opened to all, and what its group may be given by hand at any time. */
const PLAIN_BITS = 0o640;
const OWNER_READS = 0o400;

/**
 * The attributes of a file that replaces `existing`, or of a new one. A renewal must not change who can read a file, or
 * the server that reads it fails at its next start. A new key takes what `nearby` has, unless an owner or a group is
 * asked for.
 */
export function wantedAttributes(
  file: AskedAttributes,
  existing: Pick<Stats, "mode" | "uid" | "gid"> | null,
  nearby: Attributes | null = null,
): WantedAttributes {
  const asked = file.uid !== undefined || file.gid !== undefined;
  const model = existing ?? (file.secret && !asked ? nearby : null);
  return {
    mode: file.mode ?? (model === null ? newMode(file) : inheritedMode(file, model.mode)),
    uid: file.uid ?? model?.uid ?? null,
    gid: file.gid ?? model?.gid ?? null,
  };
}

/**
 * The mode of a key says who shall read it, unless it gives others more than a group's right to read, or its owner
 * less: then it says nothing, and the key gets what renewd wrote last.
 */
function inheritedMode({ secret, written }: AskedAttributes, mode: number): number {
  if (!secret) return mode & 0o777;
  if ((mode & OWNER_READS) === 0) return written ?? 0o600;
  if (written !== undefined && (mode & 0o777 & ~(written | PLAIN_BITS)) !== 0) return written;
  return mode & ((mode & OTHERS) === 0 ? KEY_BITS : PLAIN_BITS);
}

/** What `modeProblem` compares with; undefined: not known. */
export interface KeyMode {
  /** What the target's options ask for. */
  readonly mode?: number | undefined;
  readonly written?: number | undefined;
}

/** Why a key cannot stay with the mode that it has, for people; null: it can. */
export function modeProblem(path: string, held: number, { mode, written }: KeyMode): string | null {
  const known = mode ?? written;
  if ((held & OWNER_READS) === 0 && ((known ?? OWNER_READS) & OWNER_READS) !== 0)
    return `${path} has mode ${modeText(held)}, so its owner cannot read the private key in it`;
  const allowed = mode ?? (written === undefined ? KEY_BITS : written | PLAIN_BITS);
  if ((held & 0o777 & ~allowed) === 0) return null;
  const before =
    known === undefined ? "everybody may use the private key in it" : `renewd wrote it with ${modeText(known)}`;
  return `${path} has mode ${modeText(held)}, but ${before}`;
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

/**
 * The first class that fits decides, as in path_resolution(7): an owner without a right does not get it as a group
 * member.
 */
function may({ uid, gids }: Reader, attributes: Attributes, bit: number): boolean {
  if (uid === 0) return true;
  if (uid === attributes.uid) return (attributes.mode & (bit << 6)) !== 0;
  if (gids.includes(attributes.gid)) return (attributes.mode & (bit << 3)) !== 0;
  return (attributes.mode & bit) !== 0;
}

/**
 * The mode of a file whose group could not be kept: its new group may do no more than everybody, and no less either, or
 * a server in that group could not read a certificate that all others can read.
 */
export function narrowedMode(mode: number): number {
  const others = (mode & OTHERS) << 3;
  return (mode & ~GROUP) | (mode & GROUP & others);
}

export function modeText(mode: number): string {
  return (mode & 0o7777).toString(8).padStart(4, "0");
}
