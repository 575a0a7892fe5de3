import type { Attributes, Reader } from "./attributes.ts";
import { runCommand } from "./command.ts";

const TOOL_TIMEOUT_MS = 5_000;
const READ = /^r/;

/** Who could read a file besides its owner, as the file system says. */
export interface FileReaders {
  /** The file's group, which the mode's group bits do not say where there is an ACL: they are its mask then. */
  readonly group: boolean;
  /** Users whom the ACL lets read. */
  readonly users: ReadonlySet<number>;
  /** Users and groups whom it names, whether or not they may read. */
  readonly named: { readonly users: ReadonlyMap<number, boolean>; readonly groups: ReadonlyMap<number, boolean> };
}

const NOBODY: FileReaders["named"] = { users: new Map(), groups: new Map() };

/** `getfacl -cn`: a line for each entry. */
export function parseAcl(text: string): FileReaders | null {
  const entries = text
    .split("\n")
    .map((line) => /^(user|group|mask):(\d*):([r-][w-][x-])/.exec(line))
    .filter((found) => found !== null)
    .map(([, kind, id, rights = ""]) => ({ kind, id, reads: READ.test(rights) }));
  const group = entries.find(({ kind, id }) => kind === "group" && id === "");
  if (group === undefined) return null;
  const mask = entries.find(({ kind }) => kind === "mask")?.reads ?? true;
  const namedAs = (wanted: string) =>
    new Map(
      entries
        .filter(({ kind, id }) => kind === wanted && id !== "")
        .map(({ id, reads }): [number, boolean] => [Number(id), reads && mask]),
    );
  const users = namedAs("user");
  const readers = [...users].filter(([, reads]) => reads).map(([uid]) => uid);
  return {
    group: group.reads && mask,
    users: new Set(readers),
    named: { users, groups: namedAs("group") },
  };
}

/** As this process reaches the file. Without `getfacl` the mode's bits decide. */
export async function readersOf(at: string, mode: number): Promise<FileReaders> {
  return (await aclOf(at)) ?? { group: (mode & 0o040) !== 0, users: new Set(), named: NOBODY };
}

/** null: nobody can say without `getfacl`. */
export async function aclOf(at: string): Promise<FileReaders | null> {
  const text = await run(["getfacl", "-cnpL", "--", at.replace(/^\/proc\/self\//, `/proc/${process.pid}/`)]);
  return text === null ? null : parseAcl(text);
}

/** Whether a user reads a file with an ACL, in the order of acl(5): owner, named user, any of the groups, others. */
export function readsByAcl(
  { uid, gids }: Pick<Reader, "uid" | "gids">,
  { uid: owner, gid, mode }: Attributes,
  { group, named }: FileReaders,
): boolean {
  if (uid === 0) return true;
  if (uid === owner) return (mode & 0o400) !== 0;
  const own = named.users.get(uid);
  if (own !== undefined) return own;
  const groups = gids.flatMap((one) => named.groups.get(one) ?? []);
  const all = gids.includes(gid) ? [group, ...groups] : groups;
  return all.length > 0 ? all.includes(true) : (mode & 0o004) !== 0;
}

/** Whether a user belongs to a group; one that the machine does not know belongs to none. */
export async function isMember(uid: number, gid: number): Promise<boolean> {
  return (await run(["id", "-G", "--", `${uid}`]))?.trim().split(/\s+/).includes(`${gid}`) ?? false;
}

async function run(argv: readonly string[]): Promise<string | null> {
  const command = { argv, timeoutMs: TOOL_TIMEOUT_MS, env: { LC_ALL: "C" } };
  return await runCommand(command, new AbortController().signal).catch(() => null);
}
