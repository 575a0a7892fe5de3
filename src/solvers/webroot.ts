import { randomBytes } from "node:crypto";
import { constants, type FileHandle, lstat, mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { isAbsolute, join } from "node:path";
import { z } from "zod";
import { RenewalError } from "../domain/errors.ts";
import type { ChallengeResponse, Solver } from "../domain/issuer.ts";
import type { Plugin } from "../domain/plugin.ts";
import type { SolverDependencies } from "./http01.ts";
import { checkToken } from "./token.ts";

const options = z.strictObject({
  directory: z.string().refine(isAbsolute, "must be an absolute path").describe("Document root of the web server that answers on port 80 for the names."),
});

/** Answers http-01 through files a web server already serves (RFC 8555 §8.3). */
export const webroot: Plugin<z.infer<typeof options>, SolverDependencies, Solver> = {
  type: "webroot",
  challengeType: "http-01",
  description: "Answers http-01 challenges with files below a running web server's document root.",
  options,
  create: ({ directory }) => ({
    challengeType: "http-01",
    present: (challenge, signal) => atPath(directory, () => publish(directory, challenge, signal)),
    cleanUp: (challenge, signal) => atPath(directory, () => withdraw(directory, challenge, signal)),
  }),
};

async function publish(root: string, { token, keyAuthorization }: ChallengeResponse, signal: AbortSignal): Promise<void> {
  const name = checkToken(token);
  signal.throwIfAborted();
  const folder = await challengeFolder(root);
  // A dot cannot be part of a token, so no request can name the unfinished file.
  const temporary = join(folder, `.${name}.${randomBytes(6).toString("hex")}`);
  try {
    await writeNew(temporary, keyAuthorization);
    signal.throwIfAborted();
    // Rename replaces the directory entry itself: a symlink planted under the token's name is not followed.
    await rename(temporary, join(folder, name));
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

async function writeNew(path: string, text: string): Promise<void> {
  // 0644: the web server runs as another user; the content is public by design.
  const file: FileHandle = await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o644);
  try {
    await file.chmod(0o644);
    await file.writeFile(text);
  } finally {
    await file.close();
  }
}

async function withdraw(root: string, { token, keyAuthorization }: ChallengeResponse, signal: AbortSignal): Promise<void> {
  const name = checkToken(token);
  signal.throwIfAborted();
  const folder = join(root, ".well-known", "acme-challenge");
  const path = join(folder, name);
  if (!(await isDirectory(join(root, ".well-known"))) || !(await isDirectory(folder))) return;
  const content = await readOwn(path);
  if (content === keyAuthorization) await rm(path, { force: true });
}

/** null: no plain file there. */
async function readOwn(path: string): Promise<string | null> {
  const found = await lstat(path).catch(absent);
  return found?.isFile() && found.size < 4096 ? readFile(path, "utf8") : null;
}

/** Below the root only real directories are entered: whoever may write there must not redirect us by a symlink. */
async function challengeFolder(root: string): Promise<string> {
  let folder = root;
  for (const part of [".well-known", "acme-challenge"]) {
    folder = join(folder, part);
    await mkdir(folder, { mode: 0o755 }).catch((error: unknown) => {
      if (codeOf(error) !== "EEXIST") throw error;
    });
    if (!(await isDirectory(folder))) throw new RenewalError("solver.failed", `${folder} is not a directory (symlinks are not followed); remove it.`);
  }
  return folder;
}

async function isDirectory(path: string): Promise<boolean> {
  return (await lstat(path).catch(absent))?.isDirectory() ?? false;
}

function absent(error: unknown): null {
  if (codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR") return null;
  throw error;
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}

async function atPath(directory: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (cause) {
    const code = codeOf(cause);
    if (cause instanceof RenewalError || code === "" || (cause instanceof Error && cause.name === "AbortError")) throw cause;
    const why = code === "ENOENT" ? "it does not exist" : code;
    throw new RenewalError("solver.failed", `Cannot write http-01 answers below the webroot ${directory}: ${why}.`, { cause });
  }
}
