import { readFile, stat } from "node:fs/promises";
import { RenewalError } from "../../domain/errors.ts";
import { fileError } from "../base/fileError.ts";
import { isPem, keepForeignBlocks, refuseTooLong } from "../base/foreignPem.ts";
import type { FileToTry, FileToWrite } from "./atomicFiles.ts";

/** A longer file holds no pair. */
const BYTES_MAX = 1024 * 1024;

const ANY_PEM = "-----BEGIN CERTIFICATE-----\n";

/** For preflight: throws what `withForeignBlocks` would throw. */
export async function tryForeignBlocks({ path, holdsPem }: FileToTry, isOwn: boolean): Promise<void> {
  if (holdsPem === true) await withForeignBlocks({ path, isOwn, root: "/", secret: true, content: ANY_PEM });
}

/** The file to write, with the settings that the file in place holds beside its pair. The caller holds the lock. */
export async function withForeignBlocks(file: FileToWrite): Promise<FileToWrite> {
  const { path, content } = file;
  if (!isPem(content)) return file;
  const place = { path, isOwn: file.isOwn ?? true };
  try {
    const found = await stat(path);
    if (!found.isFile()) return file;
    if (found.size > BYTES_MAX) refuseTooLong(place);
    return found.size > BYTES_MAX
      ? file
      : { ...file, content: keepForeignBlocks(content, await readFile(path, "utf8"), place) };
  } catch (error) {
    // A file that renewd may replace but not read must not stop the renewal.
    if (error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "EACCES")) return file;
    throw error instanceof RenewalError ? error : fileError(error, path);
  }
}
