import type { Stats } from "node:fs";
import { chmod, chown, stat } from "node:fs/promises";
import { RenewalError } from "../../domain/errors.ts";
import { type AskedAttributes, modeText, narrowedMode, type WantedAttributes } from "./attributes.ts";
import { runCommand } from "./command.ts";
import { type FileReaders, isMember, readersOf } from "./fileReaders.ts";

const TOOL_TIMEOUT_MS = 5_000;
const GROUP_BITS = 0o070;

export interface NewFile {
  /** As this process reaches it. It is still empty, with mode 0600. */
  readonly at: string;
  /** For people. */
  readonly path: string;
}

export interface Access {
  readonly asked: AskedAttributes;
  readonly wanted: WantedAttributes;
  /** The file whose ACL the new one takes over; null: none. */
  readonly model: Model | null;
  /** The file that it replaces; null: none. */
  readonly replaced: Stats | null;
}

export interface Model {
  /** As this process reaches it. */
  readonly at: string;
  readonly extendedAttributes: boolean;
}

/** What the new file does not have from the old one. */
interface Loss {
  readonly what: string;
  /** The mode's group bits would now let somebody read who could not before. */
  readonly widens: boolean;
}

/**
 * Gives a new file its owner, group, ACL and mode, and never lets anybody read it who could not read the old one.
 * Returns for people what was impossible to keep; null: nothing. Throws `deploy.io` where an option asks for something
 * impossible, and where a user or group that could read the old key could not read the new one.
 */
export async function giveAccess(file: NewFile, { asked, wanted, model, replaced }: Access): Promise<string | null> {
  const losses = [
    ...(await takeOwnership(file, { asked, wanted, model, replaced, own: await stat(file.at) })),
    ...(model === null ? [] : await carryOver(model, file.at)),
  ];
  const narrow = asked.mode === undefined && losses.some(({ widens }) => widens);
  await chmod(file.at, narrow ? narrowedMode(wanted.mode) : wanted.mode);
  if (losses.length === 0) return null;
  const { uid, gid, mode } = await stat(file.at);
  const what = losses.map((loss) => loss.what).join(" and ");
  return `${file.path}: ${what} could not be kept; it belongs to ${uid}:${gid} with mode ${modeText(mode)}`;
}

interface ReplacedReaders {
  readonly asked: AskedAttributes;
  readonly replaced: Pick<Stats, "uid" | "gid" | "mode">;
  readonly own: Pick<Stats, "uid">;
  readonly groupKept: boolean;
  /** Whether the group could read the old key. */
  readonly groupReads: boolean;
  /** Whether the old owner can read the new key without owning it. */
  readonly ownerStays: boolean;
  /** Who writes the file, for people. */
  readonly writer: string;
}

interface Ownership extends Access {
  /** Of the new file. */
  readonly own: Stats;
}

/** Only root may give a file to another user. Others may give it to a group that they belong to. */
async function takeOwnership(
  { at, path }: NewFile,
  { asked, wanted, model, replaced, own }: Ownership,
): Promise<Loss[]> {
  const uid = wanted.uid ?? own.uid;
  const gid = wanted.gid ?? own.gid;
  if (uid === own.uid && gid === own.gid) return [];
  const refused = await attempt(chown(at, uid, gid));
  if (refused === null) return [];
  // Unasked, keeping the owner is a courtesy; asked, it is a promise.
  if (asked.uid !== undefined) throw impossible(path, `user ${uid}: only root may`, refused);
  const groupRefused = gid === own.gid ? null : await attempt(chown(at, own.uid, gid));
  if (groupRefused !== null && asked.gid !== undefined)
    throw impossible(path, `group ${gid}: renewd's user must be a member of it`, groupRefused);
  const groupKept = groupRefused === null;
  const readers = await readersBefore(model, replaced);
  if (asked.secret && replaced !== null) {
    const throughGroup = groupKept && readers.group && (await isMember(replaced.uid, gid));
    const ownerStays = throughGroup || readers.users.has(replaced.uid);
    const groupReads = readers.group;
    refuseLostReader(path, { asked, replaced, own, groupKept, groupReads, ownerStays, writer: "renewd's user" });
  }
  const owner = uid === own.uid ? [] : [{ what: `owner ${uid}`, widens: false }];
  return groupKept ? owner : [...owner, { what: `group ${gid}`, widens: readers.group }];
}

async function readersBefore(
  model: Model | null,
  replaced: Stats | null,
): Promise<Pick<FileReaders, "group" | "users">> {
  if (model !== null && replaced !== null) return await readersOf(model.at, replaced.mode);
  return { group: replaced === null || (replaced.mode & 0o040) !== 0, users: new Set<number>() };
}

function impossible(path: string, what: string, cause: unknown): RenewalError {
  return new RenewalError("deploy.io", `${path} cannot be given to ${what}`, { cause });
}

/**
 * Throws `deploy.io` where the owner or the group of a key could not read the one that replaces it. `own`: who owns
 * that. Root reads everything. A `mode` that is asked for says who shall read the file, so nobody is lost by mistake.
 */
export function refuseLostReader(
  path: string,
  { asked, replaced, own, groupKept, groupReads, ownerStays, writer }: ReplacedReaders,
): void {
  if (asked.mode !== undefined) return;
  const { uid, gid, mode } = replaced;
  if (groupReads && !groupKept) {
    throw new RenewalError(
      "deploy.io",
      `${path}: its group ${gid} could not read the new key, as ${writer} is no member of that group: ` +
        "make it one, or set `group` or `mode`",
    );
  }
  if (ownerStays || uid === 0 || uid === own.uid || (mode & 0o400) === 0) return;
  throw new RenewalError(
    "deploy.io",
    `${path}: its owner ${uid} could not read the new key, as only root can give files to another user: ` +
      "let a group read it (`group`), or set `mode`",
  );
}

/** null: it worked. */
async function attempt(work: Promise<void>): Promise<unknown> {
  return await work.then(
    () => null,
    (error: unknown) => error,
  );
}

/**
 * Node knows neither ACLs nor extended attributes: GNU's cp copies both, and its ls marks a file with an ACL. With an
 * ACL the mode's group bits are a mask for others, so a group that the ACL keeps out would read a file without the ACL.
 * Where no such cp is installed nobody can say whether there is an ACL, so the group's bits go too.
 */
async function carryOver({ at, extendedAttributes }: Model, to: string): Promise<Loss[]> {
  if (process.platform !== "linux") return [];
  const copy = (preserve: string): Promise<string | null> =>
    run("cp", ["--attributes-only", `--preserve=${preserve}`, "--", outside(at), outside(to)]);
  const wanted = extendedAttributes ? await preserved() : "mode";
  const all = extendedAttributes ? await copy(wanted) : null;
  const most = all === null && wanted === WITH_LABEL ? await copy(WITH_XATTR) : all;
  const copied = most ?? (await copy("mode"));
  const attributes = extendedAttributes && all === null && copied !== null;
  return [
    ...(attributes ? [{ what: "extended attributes or SELinux' label", widens: false }] : []),
    ...((await aclIsKept(at, to, copied !== null)) ? [] : [{ what: "its ACL (GNU cp is needed)", widens: true }]),
  ];
}

const WITH_XATTR = "mode,xattr";
const WITH_LABEL = "mode,xattr,context";

/**
 * cp leaves SELinux' label out of the extended attributes, and refuses to be asked for it where there is no SELinux.
 * With the directory's label instead, a confined server could not read a key that somebody labelled for it.
 */
export async function preserved(selinux = "/sys/fs/selinux/enforce"): Promise<string> {
  const labelled = await stat(selinux).then(
    () => true,
    () => false,
  );
  return labelled ? WITH_LABEL : WITH_XATTR;
}

async function aclIsKept(at: string, to: string, copied: boolean): Promise<boolean> {
  if (maskIsZero(await stat(at))) return true;
  if (!copied) return false;
  const [one, other] = (await markedAcls([at, to])) ?? [];
  return one === other;
}

/** The mode's group bits are the mask of an ACL, which gives nobody anything where they are zero. */
export function maskIsZero({ mode }: Pick<Stats, "mode">): boolean {
  return (mode & GROUP_BITS) === 0;
}

/** null: `ls` does not run. One that is not GNU's may not show it. */
export async function hasAcl(at: string): Promise<boolean | null> {
  return (await markedAcls([at]))?.[0] ?? null;
}

/** Whether each has an ACL, in the order of `ls`, which may be another one. */
async function markedAcls(paths: readonly string[]): Promise<boolean[] | null> {
  const said = await run("ls", ["-dln", "--", ...paths.map(outside)]);
  return (
    said
      ?.trimEnd()
      .split("\n")
      .map((line) => line.charAt(10) === "+") ?? null
  );
}

/** A child process has other descriptors, so it needs the path through those of this process. */
function outside(at: string): string {
  return at.replace(/^\/proc\/self\//, `/proc/${process.pid}/`);
}

/** What it printed; null: it failed. The swap is near: it ends soon by its own time limit and not by a cancellation. */
async function run(program: string, args: readonly string[]): Promise<string | null> {
  const command = { argv: [program, ...args], timeoutMs: TOOL_TIMEOUT_MS, env: { LC_ALL: "C" } };
  return await runCommand(command, new AbortController().signal).catch(() => null);
}
