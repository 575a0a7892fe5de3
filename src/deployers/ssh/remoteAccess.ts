import type { Stats } from "ssh2";
import { RenewalError } from "../../domain/errors.ts";
import type { FileToWrite } from "../local/atomicFiles.ts";
import { modeText, narrowedMode } from "../local/attributes.ts";
import { refuseLostReader } from "../local/fileAccess.ts";
import type { CreatedFile, Sftp } from "./sftp.ts";

const DATABASE_BYTES_MAX = 1024 * 1024;
const GROUP_BITS = 0o070;
const GROUP_READS = 0o040;

/** Runs a program on the target and returns what it printed; null: it failed, or the account may only use SFTP. */
export type RemoteTool = (argv: readonly string[], signal: AbortSignal) => Promise<string | null>;

export interface RemoteMachine {
  readonly sftp: Sftp;
  readonly tool: RemoteTool;
}

interface Replacement {
  readonly file: FileToWrite;
  /** Full path of the file in place. */
  readonly final: string;
  readonly existing: Stats;
  /** Full path of the new file. */
  readonly temporary: string;
  /** That the new file gets unless there is an ACL. */
  readonly mode: number;
}

/**
 * Throws `deploy.io` where the server refused the owner or group that is asked for, or that a reader of the key needs.
 */
export async function requireOwner(
  sftp: Sftp,
  file: FileToWrite,
  { uid, gid }: CreatedFile,
  replaced: Stats | null,
  signal: AbortSignal,
): Promise<void> {
  if (file.uid !== undefined && file.uid !== uid)
    throw new RenewalError("deploy.io", `${file.path} cannot be given to user ${file.uid}: only root may`);
  if (file.gid !== undefined && file.gid !== gid) {
    const message = `${file.path} cannot be given to group ${file.gid}: the user of the login must be a member of it`;
    throw new RenewalError("deploy.io", message);
  }
  if (!file.secret || replaced === null) return;
  const groupKept = (file.gid ?? replaced.gid) === gid;
  const ownerKept = (file.uid ?? replaced.uid) === uid;
  if (groupKept && ownerKept) return;
  const groupReads = (replaced.mode & GROUP_READS) !== 0;
  const ownerStays = groupReads && (await mayBeMember(sftp, replaced.uid, gid, signal));
  const known = { groupKept, groupReads, ownerStays, writer: "the user of the login" };
  refuseLostReader(file.path, { asked: file, replaced, own: { uid }, ...known });
}

/** Whether a user of the target belongs to a group. A user whom /etc/passwd does not have may: a directory knows him. */
async function mayBeMember(sftp: Sftp, uid: number, gid: number, signal: AbortSignal): Promise<boolean> {
  const rows = async (path: string): Promise<string[][]> => {
    const text = await sftp.read(path, DATABASE_BYTES_MAX, signal).catch((error: unknown) => {
      if (error instanceof RenewalError && error.code === "deploy.io") return null;
      throw error;
    });
    return (text?.toString("utf8") ?? "").split("\n").map((line) => line.split(":"));
  };
  const user = (await rows("/etc/passwd")).find(([, , id]) => id === `${uid}`);
  if (user === undefined) return true;
  const [name = "", , , primary] = user;
  if (primary === `${gid}`) return true;
  const group = (await rows("/etc/group")).find(([, , id]) => id === `${gid}`);
  return group === undefined || (group[3]?.split(",").includes(name) ?? false);
}

/**
 * The mode to create a file with: a key whose group may read it gets the group's bits last, by `keepAcl`. With an ACL
 * they are a mask for others, so a group that the ACL keeps out would read a key without it.
 */
export function firstMode(file: FileToWrite, existing: Stats | null, mode: number): number {
  return existing !== null && mayHaveAcl(file, existing) ? narrowedMode(mode) : mode;
}

/** A mask of zero gives nobody anything, and a mode that is asked for says who shall read the key. */
function mayHaveAcl(file: FileToWrite, existing: Stats): boolean {
  return file.secret && file.mode === undefined && (existing.mode & GROUP_BITS) !== 0;
}

/**
 * Gives the new key the mode and the ACL of the one that it replaces. SFTP knows no ACL, so GNU's programs on the
 * target show and copy it. Where they cannot copy one, the group's bits stay away. Returns for people what was not
 * kept, or that nobody can tell; null: nothing.
 */
export async function keepAcl(
  { sftp, tool }: RemoteMachine,
  { file, final, existing, temporary, mode }: Replacement,
  signal: AbortSignal,
): Promise<string | null> {
  if (!mayHaveAcl(file, existing)) return null;
  const held = await hasAcl(tool, final, signal);
  if (held !== true) await sftp.setMode(temporary, mode, signal);
  if (held === null)
    return `${file.path}: an ACL that it may have had is gone: only \`ls\` could show one, and it does not run`;
  if (!held) return null;
  await tool(["cp", "--attributes-only", "--preserve=mode,xattr", "--", final, temporary], signal);
  if (await hasAcl(tool, temporary, signal)) return null;
  const narrowed = narrowedMode(mode);
  await sftp.setMode(temporary, narrowed, signal);
  return `${file.path}: its ACL (GNU cp is needed) could not be kept; it has mode ${modeText(narrowed)} now`;
}

/** null: nobody can tell. */
async function hasAcl(tool: RemoteTool, path: string, signal: AbortSignal): Promise<boolean | null> {
  const line = await tool(["ls", "-dln", "--", path], signal);
  return line === null || !/^-[rwxsStT-]{9}/.test(line) ? null : line.charAt(10) === "+";
}
