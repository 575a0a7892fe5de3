import { open, stat } from "node:fs/promises";
import { quote } from "./suggestions.ts";

const FILE_BYTES_MAX = 1024 * 1024;
/** Some fifty thousand certificates; the parser's time grows with it. */
export const CONFIG_BYTES_MAX = 16 * 1024 * 1024;
/** What a file may have grown by since it was measured. */
const GROWN_BYTES = 4_096;

export type Source = { readonly text: string } | { readonly problem: string };

/** Text of a small regular file in UTF-8. `noun` begins the message when it cannot be had. */
export async function readText(path: string, noun: string, bytesMax = FILE_BYTES_MAX): Promise<Source> {
  const found = await readBytes(path, noun, bytesMax);
  return "problem" in found ? found : decode(found.bytes, `${noun} ${quote(path)}`);
}

/** A file of the configuration. */
export function readConfigText(path: string): Promise<Source> {
  return readText(path, "the file", CONFIG_BYTES_MAX);
}

/** As `readText`, with any content. */
export async function readBytes(
  path: string,
  noun: string,
  bytesMax: number,
): Promise<{ readonly bytes: Uint8Array } | { readonly problem: string }> {
  try {
    // Before opening: a FIFO would block, a device never end.
    const found = await stat(path);
    if (!found.isFile()) return { problem: `${noun} ${quote(path)} is not a regular file` };
    if (found.size > bytesMax)
      return { problem: `${noun} ${quote(path)} has ${found.size} bytes, more than the ${bytesMax} allowed` };
    return { bytes: await readBounded(path, Math.min(bytesMax, found.size + GROWN_BYTES)) };
  } catch (error) {
    return { problem: `${noun} ${quote(path)} ${reasonOf(error)}` };
  }
}

/** The file may have grown since it was measured. */
async function readBounded(path: string, bytesMax: number): Promise<Buffer> {
  await using file = await open(path, "r");
  const { buffer, bytesRead } = await file.read(Buffer.alloc(bytesMax), 0, bytesMax, 0);
  return buffer.subarray(0, bytesRead);
}

function decode(bytes: Uint8Array, subject: string): Source {
  try {
    return { text: new TextDecoder("utf-8", { fatal: true }).decode(bytes) };
  } catch {
    return { problem: `${subject} is not UTF-8 text: save it as UTF-8` };
  }
}

function reasonOf(error: unknown): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (code === "ENOENT" || code === "ENOTDIR") return "does not exist";
  if (code === "EACCES" || code === "EPERM")
    return "cannot be read: give the user renewd runs as permission, or be that user";
  return `cannot be read (${code === "" ? "unknown error" : code})`;
}
