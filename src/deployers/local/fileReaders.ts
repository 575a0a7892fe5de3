import { runCommand } from "./command.ts";

const TOOL_TIMEOUT_MS = 5_000;
const READ = /^r/;

/** Who could read a file besides its owner, as the file system says. */
export interface FileReaders {
  /** The file's group, which the mode's group bits do not say where there is an ACL: they are its mask then. */
  readonly group: boolean;
  /** Users whom the ACL names. */
  readonly users: ReadonlySet<number>;
}

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
  const named = entries.filter(({ kind, id, reads }) => kind === "user" && id !== "" && reads && mask);
  return { group: group.reads && mask, users: new Set(named.map(({ id }) => Number(id))) };
}

/** As this process reaches the file. Without `getfacl` the mode's bits decide. */
export async function readersOf(at: string, mode: number): Promise<FileReaders> {
  const text = await run(["getfacl", "-cnpL", "--", at.replace(/^\/proc\/self\//, `/proc/${process.pid}/`)]);
  return (text === null ? null : parseAcl(text)) ?? { group: (mode & 0o040) !== 0, users: new Set() };
}

/** Whether a user belongs to a group; one that the machine does not know belongs to none. */
export async function isMember(uid: number, gid: number): Promise<boolean> {
  return (await run(["id", "-G", "--", `${uid}`]))?.trim().split(/\s+/).includes(`${gid}`) ?? false;
}

async function run(argv: readonly string[]): Promise<string | null> {
  const command = { argv, timeoutMs: TOOL_TIMEOUT_MS, env: { LC_ALL: "C" } };
  return await runCommand(command, new AbortController().signal).catch(() => null);
}
