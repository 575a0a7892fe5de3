import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { RenewalError } from "../../domain/errors.ts";
import { fileError } from "../base/fileError.ts";

/** Larger files are not a pair; the rest is not read. */
const READ_BYTES_MAX = 1024 * 1024;

/**
 * What a regular file holds; null: there is none of this name. Throws `deploy.io` for one that renewd cannot read, and
 * for everything else: a named pipe would block a thread of the process until somebody writes to it, without end.
 */
export async function readIfThere(path: string, bytesMax = READ_BYTES_MAX): Promise<string | null> {
  try {
    await using handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const found = await handle.stat();
    if (!found.isFile()) throw new RenewalError("deploy.io", `${path} is not a regular file`);
    const length = Math.min(found.size, bytesMax);
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, 0);
    return buffer.subarray(0, bytesRead).toString("utf8");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return null;
    throw fileError(error, path);
  }
}

/** What stays as it is until somebody changes the file: a passing trouble of the machine is none of the file's. */
const LASTING = ["EACCES", "EPERM", "ELOOP", "ENOTDIR", "ENXIO"];

/** Whether it is the file itself that cannot be read. */
export function isFilesFault(error: unknown): error is RenewalError {
  if (!(error instanceof RenewalError) || error.code !== "deploy.io") return false;
  return error.cause === undefined || LASTING.includes(String(codeOf(error.cause)));
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
