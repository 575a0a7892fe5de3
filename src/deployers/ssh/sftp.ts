import type { SFTPWrapper, Stats } from "ssh2";
import { RenewalError } from "../../domain/errors.ts";
import type { SshConnection } from "./connection.ts";

export interface RemoteAttributes {
  readonly mode: number;
  readonly uid: number | null;
  readonly gid: number | null;
}

/** What a file that was created became: only root may give it to another user, and others only to a group of theirs. */
export interface CreatedFile {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** The change by the server's clock, in ms. */
  readonly changedAt: number;
}

/** Files on another machine, through SSH. Throws `deploy.io` with the path and the server's reason. */
export interface Sftp {
  /** null: nothing has this name. */
  lstat(path: string, signal: AbortSignal): Promise<Stats | null>;
  realpath(path: string, signal: AbortSignal): Promise<string | null>;
  list(
    directory: string,
    signal: AbortSignal,
  ): Promise<readonly { readonly name: string; readonly changedAt: number }[]>;
  makeDirectory(path: string, signal: AbortSignal): Promise<void>;
  /** null: there is no such file, or it is longer than `bytesMax`. */
  read(path: string, bytesMax: number, signal: AbortSignal): Promise<Buffer | null>;
  /**
   * Creates a file, 0600 until it is complete, and syncs it if the server can. Where the server refuses owner or group,
   * the file keeps those of the login.
   */
  create(
    path: string,
    content: string | Uint8Array,
    attributes: RemoteAttributes,
    signal: AbortSignal,
  ): Promise<CreatedFile>;
  setMode(path: string, mode: number, signal: AbortSignal): Promise<void>;
  /** Gives the file `path` the second name `name`. Throws if the server cannot. */
  link(file: { readonly path: string; readonly name: string }, signal: AbortSignal): Promise<void>;
  /** rename(2): replaces an existing file atomically. SFTP's own rename refuses that. */
  replace(file: { readonly from: string; readonly to: string }, signal: AbortSignal): Promise<void>;
  remove(path: string, signal: AbortSignal): Promise<void>;
  /** Makes renames in it durable, if the server can open a directory. */
  syncDirectory(path: string, signal: AbortSignal): Promise<void>;
}

/** Status codes of draft-ietf-secsh-filexfer-02 §7, the version 3 that OpenSSH speaks. */
const NO_SUCH_FILE = 2;
const PERMISSION_DENIED = 3;
const REASONS: Readonly<Record<number, string>> = {
  2: "no such file or directory",
  3: "permission denied",
  4: "the server only says that it failed; check owner and free space",
  8: "the server cannot do that",
};

export async function openSftp(connection: SshConnection, signal: AbortSignal): Promise<Sftp> {
  const raw = await connection
    .ask<SFTPWrapper>("open SFTP", (done) => connection.client.sftp(done), signal)
    .catch((error) => {
      throw refined(error, `${connection.name} offers no SFTP`);
    });
  type Start<T> = (done: (error: Error | null | undefined, value: T) => void) => void;
  const ask = <T>(path: string, start: Start<T>, stop: AbortSignal): Promise<T> =>
    connection.ask(`answer about ${path}`, start, stop).catch((error) => {
      throw fileProblem(error, `${connection.name} ${path}`);
    });
  const plain = (
    path: string,
    start: (done: (error?: Error | null) => void) => void,
    stop: AbortSignal,
  ): Promise<void> => ask<void>(path, (done) => start((error) => done(error, undefined)), stop);
  const withHandle = async <T>(
    path: string,
    flags: "r" | "wx",
    stop: AbortSignal,
    use: (handle: Buffer) => Promise<T>,
  ): Promise<T> => {
    const handle = await ask<Buffer>(path, (done) => raw.open(path, flags, 0o600, done), stop);
    const close = (): Promise<void> => plain(path, (done) => raw.close(handle, done), stop);
    const result = await use(handle).catch((error) => {
      // The caller gets the first error at once.
      close().catch(() => undefined);
      throw error;
    });
    await close();
    return result;
  };
  const sync = (path: string, handle: Buffer, stop: AbortSignal): Promise<void> =>
    plain(path, (done) => extension("fsync@openssh.com", done, () => raw.ext_openssh_fsync(handle, done)), stop).catch(
      ignoreInability,
    );
  /** One request sets both, so that an owner who is refused would take the group with him. */
  const own = async (
    path: string,
    handle: Buffer,
    { uid, gid }: Pick<RemoteAttributes, "uid" | "gid">,
    stop: AbortSignal,
  ): Promise<void> => {
    const now = await ask<Stats>(path, (done) => raw.fstat(handle, done), stop);
    const change = (owner: number, group: number): Promise<boolean> =>
      plain(path, (done) => raw.fchown(handle, owner, group, done), stop).then(
        () => true,
        (error) => {
          ignoreInability(error);
          return false;
        },
      );
    const [owner, group] = [uid ?? now.uid, gid ?? now.gid];
    if (owner === now.uid && group === now.gid) return;
    if (!(await change(owner, group)) && owner !== now.uid && group !== now.gid) await change(now.uid, group);
  };
  return {
    lstat: (path, stop) => ask<Stats>(path, (done) => raw.lstat(path, done), stop).catch(ignoreMissing),
    realpath: (path, stop) => ask<string>(path, (done) => raw.realpath(path, done), stop).catch(ignoreMissing),
    async list(directory, stop) {
      const entries = await ask<{ filename: string; attrs: { mtime: number } }[]>(
        directory,
        (done) => raw.readdir(directory, done),
        stop,
      );
      return entries.map(({ filename, attrs }) => ({ name: filename, changedAt: attrs.mtime * 1_000 }));
    },
    // All may read it: each file has its own mode, and public files must be reachable.
    makeDirectory: (path, stop) => plain(path, (done) => raw.mkdir(path, { mode: 0o755 }, done), stop),
    async read(path, bytesMax, stop) {
      const found = await ask<Stats>(path, (done) => raw.stat(path, done), stop).catch(ignoreMissing);
      if (found === null || found.size > bytesMax) return null;
      return await ask<Buffer>(path, (done) => raw.readFile(path, done), stop);
    },
    create: (path, content, { mode, uid, gid }, stop) =>
      withHandle(path, "wx", stop, async (handle) => {
        const bytes = Buffer.from(content);
        await plain(path, (done) => raw.write(handle, bytes, 0, bytes.length, 0, (error) => done(error)), stop);
        await own(path, handle, { uid, gid }, stop);
        await plain(path, (done) => raw.fchmod(handle, mode, done), stop);
        await sync(path, handle, stop);
        const created = await ask<Stats>(path, (done) => raw.fstat(handle, done), stop);
        const { mtime, uid: owner, gid: group } = created;
        return { mode: created.mode & 0o7777, uid: owner, gid: group, changedAt: mtime * 1_000 };
      }),
    setMode: (path, mode, stop) => plain(path, (done) => raw.chmod(path, mode, done), stop),
    link: ({ path, name }, stop) =>
      plain(
        name,
        (done) => extension("hardlink@openssh.com", done, () => raw.ext_openssh_hardlink(path, name, done)),
        stop,
      ),
    replace: ({ from, to }, stop) =>
      plain(
        to,
        (done) => extension("posix-rename@openssh.com", done, () => raw.ext_openssh_rename(from, to, done)),
        stop,
      ),
    async remove(path, stop) {
      await plain(path, (done) => raw.unlink(path, done), stop).catch(ignoreMissing);
    },
    async syncDirectory(path, stop) {
      await withHandle(path, "r", stop, (handle) => sync(path, handle, stop)).catch(ignoreInability);
    },
  };
}

/** ssh2 throws synchronously if the server has not announced an extension. */
function extension(name: string, done: (error: Error) => void, start: () => void): void {
  try {
    start();
  } catch (cause) {
    done(
      new RenewalError(
        "deploy.refused",
        `the server's SFTP does not offer ${name}, which is needed to replace a file atomically: use OpenSSH's`,
        { cause },
      ),
    );
  }
}

function fileProblem(error: unknown, what: string): unknown {
  if (!(error instanceof Error) || error instanceof RenewalError) return error;
  const status = statusOf(error);
  if (status === null)
    return new RenewalError("deploy.unreachable", `${what}: the SFTP server ended without an answer`, { cause: error });
  return new RenewalError("deploy.io", `${what}: ${REASONS[status] ?? `the server answered status ${status}`}`, {
    cause: error,
  });
}

function refined(error: unknown, message: string): unknown {
  return !(error instanceof Error) || error instanceof RenewalError
    ? error
    : new RenewalError("deploy.refused", message, { cause: error });
}

function statusOf(error: unknown): number | null {
  return error instanceof Error && "code" in error && typeof error.code === "number" ? error.code : null;
}

function ignoreMissing(error: unknown): null {
  if (error instanceof RenewalError && statusOf(error.cause) === NO_SUCH_FILE) return null;
  throw error;
}

/** null: the user of the login may not read it. */
export function ignoreForbidden(error: unknown): null {
  if (error instanceof RenewalError && statusOf(error.cause) === PERMISSION_DENIED) return null;
  throw error;
}

/** For requests that a server may not support; a lost connection and an abort still throw. */
function ignoreInability(error: unknown): void {
  if (!(error instanceof RenewalError && (error.code === "deploy.io" || error.code === "deploy.refused"))) throw error;
}
