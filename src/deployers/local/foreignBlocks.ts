import type { Stats } from "node:fs";
import { chmod, readFile, stat } from "node:fs/promises";
import { RenewalError } from "../../domain/errors.ts";
import { fileError } from "../base/fileError.ts";
import { isPem, keepForeignBlocks, refuseTooLong, refuseUnreadable } from "../base/foreignPem.ts";
import type { FileToTry, FileToWrite } from "./atomicFiles.ts";

/** A longer file holds no pair. */
const BYTES_MAX = 1024 * 1024;

const ANY_PEM = "-----BEGIN CERTIFICATE-----\n";

/** For preflight: throws what `withForeignBlocks` would throw. */
export async function tryForeignBlocks({ path, holdsPem, adopt = false }: FileToTry, isOwn: boolean): Promise<void> {
  if (holdsPem === true) await withForeignBlocks({ path, isOwn, adopt, root: "/", secret: true, content: ANY_PEM });
}

/** The file to write, with the settings that the file in place holds beside its pair. The caller holds the lock. */
export async function withForeignBlocks(file: FileToWrite): Promise<FileToWrite> {
  const { path, content, adopt, certificates } = file;
  if (!isPem(content)) return file;
  const place = { path, isOwn: file.isOwn ?? true, adopt, written: certificates };
  try {
    const found = await stat(path);
    if (!found.isFile()) return file;
    if (found.size > BYTES_MAX) refuseTooLong(place);
    if (found.size > BYTES_MAX) return file;
    const held = await readHeld(path, found);
    if (held === null) refuseUnreadable(place);
    return held === null ? file : { ...file, content: keepForeignBlocks(content, held, place) };
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return file;
    throw error instanceof RenewalError ? error : fileError(error, path);
  }
}

/**
 * null: it is another user's, who keeps renewd's out. Of its own file renewd can change the mode, also of one with
 * 0000.
 */
async function readHeld(path: string, { uid, mode }: Stats): Promise<string | null> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EACCES")) throw error;
    if (uid !== process.getuid?.()) return null;
  }
  await chmod(path, (mode & 0o7777) | 0o400);
  try {
    return await readFile(path, "utf8");
  } finally {
    await chmod(path, mode & 0o7777);
  }
}
