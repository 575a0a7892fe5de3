import { randomBytes } from "node:crypto";
import { access, constants, type FileHandle, lstat, mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { isAbsolute, join } from "node:path";
import { z } from "zod";
import { checkToken } from "../domain/challengeToken.ts";
import { RenewalError } from "../domain/errors.ts";
import type { ChallengeResponse, Solver } from "../domain/issuer.ts";
import { late } from "../domain/late.ts";
import type { Plugin } from "../domain/plugin.ts";
import { resolversOption } from "./dns/options.ts";

/** A key authorization is a token of at most 256 characters, a dot and a thumbprint of 43. */
const ANSWER_BYTES_MAX = 1024;

const examineHttp = late(async () => (await import("./httpReachability.ts")).examineHttp);

const options = z.strictObject({
  directory: z
    .string()
    .refine(isAbsolute, "must be an absolute path")
    .describe("Document root of the web server that answers on port 80 for the names."),
  resolvers: resolversOption,
});

/** Answers http-01 through files a web server already serves (RFC 8555 §8.3). */
export const webroot: Plugin<z.infer<typeof options>, object, Solver> = {
  type: "webroot",
  challengeType: "http-01",
  description: "Answers http-01 challenges with files below a running web server's document root.",
  options,
  checkMachine: ({ directory }) => atPath(directory, () => access(directory, constants.W_OK | constants.X_OK)),
  create: ({ directory, resolvers }) => ({
    challengeType: "http-01",
    preflight: (identifier, signal) => examineHttp(identifier, signal, { resolvers }),
    present: (challenge, signal) => atPath(directory, () => publish(directory, challenge, signal)),
    cleanUp: (challenge, signal) => atPath(directory, () => withdraw(directory, challenge, signal)),
  }),
};

async function publish(
  root: string,
  { token, keyAuthorization }: ChallengeResponse,
  signal: AbortSignal,
): Promise<void> {
  const name = checkToken(token);
  signal.throwIfAborted();
  await using folder = await openFolder(root, true);
  // A dot cannot be part of a token, so no request can name the unfinished file.
  const temporary = within(folder, `.${name}.${randomBytes(6).toString("hex")}`);
  try {
    await writeNew(temporary, keyAuthorization);
    signal.throwIfAborted();
    // Rename replaces the directory entry itself: a symlink planted under the token's name is not followed.
    await rename(temporary, within(folder, name));
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

async function writeNew(path: string, text: string): Promise<void> {
  // 0644: the web server runs as another user; the content is public by design.
  await using file = await open(
    path,
    constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
    0o644,
  );
  await file.chmod(0o644);
  await file.writeFile(text);
}

async function withdraw(
  root: string,
  { token, keyAuthorization }: ChallengeResponse,
  signal: AbortSignal,
): Promise<void> {
  const name = checkToken(token);
  signal.throwIfAborted();
  try {
    await using folder = await openFolder(root, false);
    const path = within(folder, name);
    const found = await lstat(path);
    if (found.isFile() && found.size < ANSWER_BYTES_MAX && (await readFile(path, "utf8")) === keyAuthorization)
      await rm(path, { force: true });
  } catch (error) {
    // Nothing is there, or something that renewd cannot have written.
    if (!["ENOENT", "ENOTDIR", "ELOOP"].includes(codeOf(error))) throw error;
  }
}

interface Folder extends AsyncDisposable {
  readonly handle: FileHandle;
  readonly path: string;
}

/**
 * Below the root each step opens a real directory and continues from its handle: a user who may write in the web
 * server's tree cannot redirect us with a symlink, not even one created between a check and its use.
 */
async function openFolder(root: string, create: boolean): Promise<Folder> {
  let folder = await openDirectory(root, 0);
  for (const part of [".well-known", "acme-challenge"]) {
    await using parent = folder;
    const path = within(parent, part);
    if (create) await makeDirectory(path);
    folder = { ...(await openDirectory(path, constants.O_NOFOLLOW)), path: join(parent.path, part) };
  }
  return folder;
}

async function openDirectory(path: string, flags: number): Promise<Folder> {
  const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY | flags);
  return { handle, path, [Symbol.asyncDispose]: () => handle.close() };
}

async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o755 });
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw error;
  }
}

/** Node has no openat(2); Linux offers the same through /proc. Elsewhere the plain path has to do. */
function within({ handle, path }: Folder, name: string): string {
  return join(process.platform === "linux" ? `/proc/self/fd/${handle.fd}` : path, name);
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}

const WHY: Readonly<Record<string, string>> = {
  ENOENT: "it does not exist",
  ENOTDIR: ".well-known or acme-challenge is not a directory (symlinks are not followed)",
  ELOOP: ".well-known or acme-challenge is a symlink, which is not followed",
  EACCES: "permission denied",
  EROFS: "the file system is read-only",
  ENOSPC: "no space left",
};

async function atPath(directory: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (cause) {
    const code = codeOf(cause);
    // An abort's reason belongs to the caller. Only errors of the file system are translated here.
    if (!/^E[A-Z]+$/.test(code)) throw cause;
    throw new RenewalError(
      "solver.failed",
      `Cannot write http-01 answers below the webroot ${directory}: ${WHY[code] ?? code}.`,
      { cause },
    );
  }
}
