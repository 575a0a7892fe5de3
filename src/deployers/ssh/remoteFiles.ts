import { randomBytes } from "node:crypto";
import { posix } from "node:path";
import type { Stats } from "ssh2";
import { RenewalError } from "../../domain/errors.ts";
import { HOUR_MS } from "../../domain/time.ts";
import { readableBlocks } from "../base/foreignPem.ts";
import { type FileToTry, type FileToWrite, isFirst, type RecordOf, type StagedFiles } from "../local/atomicFiles.ts";
import { wantedAttributes } from "../local/attributes.ts";
import { PLACEHOLDER } from "../local/tryStaging.ts";
import { firstMode, keepAcl, type RemoteMachine, requireOwner } from "./remoteAccess.ts";
import { contentBeside, refuseHidden } from "./remoteForeign.ts";
import { ignoreForbidden, type Sftp } from "./sftp.ts";

const COMPARE_BYTES_MAX = 1024 * 1024;
/** A leftover older than this is from a crashed attempt. A younger one may belong to an attempt that still runs. */
const STRAY_AGE_MS = HOUR_MS;
/** A worker that must stop does not wait longer than this for the clean-up. */
const TIDY_MAX_MS = 5_000;
/** After the swap has begun, an abort has no effect; each request has its own time limit. */
const NEVER = new AbortController().signal;

interface Staged {
  readonly final: string;
  readonly temporary: string;
  /** A second name of the file being replaced; null: there is none. */
  readonly backup: string | null;
}

interface Outcome {
  readonly file: FileToWrite;
  /** null: the file is as wanted already. */
  readonly staged: Staged | null;
  /** The mode that it has, or will have. */
  readonly mode: number;
  /** What could not be kept, for people; null: nothing. */
  readonly note: string | null;
}

/**
 * As `stageFiles`, on another machine. SFTP has no lock and cannot keep a directory open, so somebody could create a
 * link after the check. Only a user who owns the directory on the target can do that.
 */
export async function stageRemoteFiles(
  machine: RemoteMachine,
  files: readonly FileToWrite[],
  signal: AbortSignal,
  recordOf: RecordOf | null = null,
): Promise<StagedFiles> {
  const { sftp } = machine;
  await using undo = new AsyncDisposableStack();
  const directories = new Set<string>();
  const leftovers: string[] = [];
  undo.defer(() => tidy(sftp, leftovers));
  const stageOne = async (file: FileToWrite): Promise<Outcome> => {
    const directory = await openRemoteDirectory(sftp, { path: posix.dirname(file.path), root: file.root }, signal);
    directories.add(directory);
    return await stage(machine, file, directory, leftovers, signal);
  };
  const pairFiles: Outcome[] = [];
  for (const file of files) pairFiles.push(await stageOne(file));
  const modes = new Map(pairFiles.filter(({ file }) => file.secret).map(({ file, mode }) => [file.path, mode]));
  const records = recordOf === null ? [] : [await stageOne(recordOf({ keyModes: modes, plainFiles: new Map() }))];
  const staged = [...records, ...pairFiles].flatMap((one) => (one.staged === null ? [] : [one.staged]));
  signal.throwIfAborted();
  const sync = async (): Promise<void> => {
    for (const directory of directories) await sftp.syncDirectory(directory, NEVER);
  };
  const kept = undo.move();
  return {
    changed: staged.length > 0,
    first: isFirst(pairFiles.flatMap((one) => (one.staged === null ? [] : [one.staged]))),
    notes: pairFiles.flatMap(({ note }) => (note === null ? [] : [note])),
    async swap() {
      await swapAll(sftp, staged);
      await sync();
    },
    async restore() {
      for (const one of staged.toReversed()) await putBack(sftp, one);
      await sync();
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** The real path of `path`. Creates the directories that are missing below `root`. */
async function openRemoteDirectory(
  sftp: Sftp,
  { path, root }: { readonly path: string; readonly root: string },
  signal: AbortSignal,
): Promise<string> {
  const top = await existingDirectory(sftp, root, signal);
  let current = top;
  for (const segment of posix.relative(root, path).split("/")) {
    if (segment === "") continue;
    const next = posix.join(current, segment);
    if ((await sftp.lstat(next, signal)) === null) await sftp.makeDirectory(next, signal);
    current = await existingDirectory(sftp, next, signal);
    requireInside({ path: current, top, asked: path });
  }
  return current;
}

/** Throws `deploy.refused` for a server that cannot replace a file atomically. */
export async function requireReplace(sftp: Sftp, directory: string, signal: AbortSignal): Promise<void> {
  // No file has this name, so the answer only shows whether the server knows the request.
  const nothing = posix.join(directory, `.renewd-${randomBytes(6).toString("hex")}`);
  await sftp.replace({ from: nothing, to: nothing }, signal).catch((error) => {
    if (!(error instanceof RenewalError && error.code === "deploy.io")) throw error;
  });
}

/**
 * For preflight: what a deploy does with these files up to the swap, with a text in place of the pair. Throws what the
 * deploy would throw. Leaves nothing behind, and creates no directory: of those that are missing the one above is
 * tried.
 */
export async function tryRemoteStaging(
  machine: RemoteMachine,
  files: readonly FileToTry[],
  isOwn: boolean,
  signal: AbortSignal,
): Promise<void> {
  const { sftp } = machine;
  const tried: FileToWrite[] = [];
  for (const file of files) {
    let parent = posix.dirname(file.path);
    while (parent !== file.root && parent !== "/" && (await sftp.lstat(parent, signal)) === null)
      parent = posix.dirname(parent);
    const name = posix.basename(file.path);
    const path = parent === posix.dirname(file.path) ? file.path : posix.join(parent, `.renewd-preflight-${name}`);
    // What a link out of the directory leads to is nobody's to read: staging refuses the link.
    const directory = await sftp.realpath(parent, signal);
    if (directory !== null) await currentFile(sftp, { file, final: posix.join(directory, name), directory }, signal);
    const held = await sftp.read(file.path, COMPARE_BYTES_MAX, signal).catch(ignoreForbidden);
    const place = { path: file.path, isOwn, adopt: file.adopt };
    if (held !== null) readableBlocks(held.toString("utf8"), place);
    else if (file.holdsPem === true) refuseHidden(await sftp.lstat(file.path, signal), place);
    tried.push({ ...file, path, content: PLACEHOLDER, always: true });
  }
  await using _staged = await stageRemoteFiles(machine, tried, signal);
}

async function existingDirectory(sftp: Sftp, path: string, signal: AbortSignal): Promise<string> {
  const real = await sftp.realpath(path, signal);
  const found = real === null ? null : await sftp.lstat(real, signal);
  if (real === null || found === null)
    throw new RenewalError("deploy.io", `directory ${path}: no such file or directory on the target`);
  if (!found.isDirectory()) throw new RenewalError("deploy.refused", `${path} is not a directory on the target`);
  return real;
}

async function stage(
  machine: RemoteMachine,
  file: FileToWrite,
  directory: string,
  leftovers: string[],
  signal: AbortSignal,
): Promise<Outcome> {
  const { sftp } = machine;
  const name = posix.basename(file.path);
  const final = posix.join(directory, name);
  const existing = await currentFile(sftp, { file, final, directory }, signal);
  const held = existing === null ? null : await sftp.read(final, COMPARE_BYTES_MAX, signal).catch(ignoreForbidden);
  const content = contentBeside(file, { existing, held: held?.toString("utf8") ?? null });
  const wanted = wantedAttributes(file, existing);
  if (
    existing !== null &&
    file.always !== true &&
    (existing.mode & 0o7777) === wanted.mode &&
    existing.uid === wanted.uid &&
    existing.gid === wanted.gid &&
    held?.equals(Buffer.from(content)) === true
  )
    return { file, staged: null, mode: wanted.mode, note: null };

  const suffix = randomBytes(6).toString("hex");
  const temporary = posix.join(directory, `${strayPrefix(name)}${suffix}.new`);
  leftovers.push(temporary);
  const first = { ...wanted, mode: firstMode(file, existing, wanted.mode) };
  const created = await sftp.create(temporary, content, first, signal);
  await requireOwner(sftp, file, created, existing, signal);
  await removeStrays(sftp, { directory, name, now: created.changedAt }, signal);
  if (existing === null) return { file, staged: { final, temporary, backup: null }, mode: created.mode, note: null };
  const backup = posix.join(directory, `${strayPrefix(name)}${suffix}.old`);
  leftovers.push(backup);
  await keep(sftp, { final, backup, existing }, signal);
  const note = await keepAcl(machine, { file, final, existing, temporary, mode: wanted.mode }, signal);
  const mode = ((await sftp.lstat(temporary, signal))?.mode ?? created.mode) & 0o7777;
  return { file, staged: { final, temporary, backup }, mode, note };
}

/** Sends all requests together; the server runs them in order. So key and certificate differ only for a short time. */
async function swapAll(sftp: Sftp, staged: readonly Staged[]): Promise<void> {
  const outcomes = await Promise.allSettled(
    staged.map(({ temporary, final }) => sftp.replace({ from: temporary, to: final }, NEVER)),
  );
  const failed = outcomes.find((outcome) => outcome.status === "rejected");
  if (failed === undefined) return;
  for (const one of staged.filter((_, index) => outcomes[index]?.status === "fulfilled").toReversed())
    await putBack(sftp, one);
  throw failed.reason;
}

async function putBack(sftp: Sftp, { final, backup }: Staged): Promise<void> {
  if (backup === null) await sftp.remove(final, NEVER);
  else await sftp.replace({ from: backup, to: final }, NEVER);
}

/**
 * The file replaces a link inside the directory. A link out of it is refused: it is part of the operator's own layout.
 */
async function currentFile(
  sftp: Sftp,
  {
    file,
    final,
    directory,
  }: { readonly file: Pick<FileToWrite, "path">; readonly final: string; readonly directory: string },
  signal: AbortSignal,
): Promise<Stats | null> {
  const existing = await sftp.lstat(final, signal);
  if (existing === null || existing.isFile()) return existing;
  if (!existing.isSymbolicLink())
    throw new RenewalError("deploy.refused", `${file.path} exists and is not a regular file`);
  const target = await sftp.realpath(final, signal);
  if (target === null || posix.dirname(target) !== directory) {
    throw new RenewalError(
      "deploy.refused",
      `${file.path} is a symbolic link out of its directory; name the real file instead`,
    );
  }
  return sftp.lstat(target, signal);
}

async function keep(
  sftp: Sftp,
  { final, backup, existing }: { readonly final: string; readonly backup: string; readonly existing: Stats },
  signal: AbortSignal,
): Promise<void> {
  try {
    await sftp.link({ path: final, name: backup }, signal);
  } catch (error) {
    signal.throwIfAborted();
    // Some servers and file systems have no hard links.
    const content = await sftp.read(final, COMPARE_BYTES_MAX, signal);
    if (content === null) throw error;
    await sftp.create(backup, content, { mode: existing.mode & 0o7777, uid: existing.uid, gid: existing.gid }, signal);
  }
}

async function removeStrays(
  sftp: Sftp,
  { directory, name, now }: { readonly directory: string; readonly name: string; readonly now: number },
  signal: AbortSignal,
): Promise<void> {
  const entries = await sftp.list(directory, signal);
  const strays = entries.filter(
    (entry) => entry.name.startsWith(strayPrefix(name)) && now - entry.changedAt > STRAY_AGE_MS,
  );
  for (const stray of strays) await sftp.remove(posix.join(directory, stray.name), signal);
}

async function tidy(sftp: Sftp, paths: readonly string[]): Promise<void> {
  const soon = AbortSignal.timeout(TIDY_MAX_MS);
  // Without a connection nothing can be removed; a later attempt does it.
  await Promise.all(paths.map((path) => sftp.remove(path, soon).catch(() => undefined)));
}

function strayPrefix(name: string): string {
  return `.${name}.renewd-`;
}

function requireInside({
  path,
  top,
  asked,
}: {
  readonly path: string;
  readonly top: string;
  readonly asked: string;
}): void {
  if (path === top || path.startsWith(top === "/" ? top : `${top}/`)) return;
  throw new RenewalError(
    "deploy.refused",
    `${asked} leads out of ${top} to ${path} through a symbolic link; name the real directory instead`,
  );
}
