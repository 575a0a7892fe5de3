import { shownUser } from "./userName.ts";

/** What a file system says of a file or directory. */
export interface Ownership {
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
}

/** The user this process runs as. */
export interface ProcessUser {
  readonly uid: number;
  readonly gids: readonly number[];
}

const ROOT = 0;
const GROUP_WRITES = 0o020;
const OTHERS_WRITE = 0o002;

/** null: a platform without users. */
export function processUser(): ProcessUser | null {
  const uid = process.geteuid?.();
  if (uid === undefined) return null;
  return { uid, gids: [process.getegid?.() ?? uid, ...(process.getgroups?.() ?? [])] };
}

/**
 * Why what is kept in a directory may be replaced by somebody else, with the command that fixes it; null: it may not.
 * Root may do so anyway.
 */
export function directoryFault(path: string, found: Ownership, user: ProcessUser): string | null {
  return ownerFault(path, found, user) ?? writableFault(path, found, user);
}

/** Why a file may be changed by somebody else; null: it may not. */
export function ownerFault(path: string, { uid }: Ownership, user: ProcessUser): string | null {
  if (uid === user.uid || uid === ROOT) return null;
  const [owner, own] = [shownUser(uid), shownUser(user.uid)];
  return (
    `${path} belongs to user ${owner.name}, who could replace what renewd keeps there; renewd runs as user ` +
    `${own.name}: run renewd as its owner (sudo -u ${owner.sudo} renewd …), or: chown -R ${own.name} ${quoted(path)}`
  );
}

function writableFault(path: string, { gid, mode }: Ownership, user: ProcessUser): string | null {
  const isOpen = (mode & OTHERS_WRITE) !== 0 || ((mode & GROUP_WRITES) !== 0 && !user.gids.includes(gid));
  if (!isOpen) return null;
  const shown = (mode & 0o7777).toString(8).padStart(4, "0");
  return `${path} can be written to by other users (mode ${shown}); run: chmod 700 ${quoted(path)}`;
}

/**
 * Why everybody may replace what is in a directory; null: not everybody may. For those who only look at it and need not
 * be the user that renewd runs as.
 */
export function openToAllFault(path: string, found: Ownership): string | null {
  return (found.mode & OTHERS_WRITE) === 0 ? null : writableFault(path, found, { uid: found.uid, gids: [found.gid] });
}

/**
 * An installation of another user at which root looks: key and directory are that user's alone, so nothing is wrong.
 */
export function isAnothersWhole(user: ProcessUser, directory: Ownership, key: Ownership): boolean {
  return user.uid === ROOT && key.uid !== ROOT && key.uid === directory.uid && (key.mode & 0o077) === 0;
}

/** For a shell. */
export function quoted(path: string): string {
  return /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}
