import { open, stat } from "node:fs/promises";
import type { InspectRequest, InstalledPair } from "../../domain/deployer.ts";
import { fileError } from "../base/fileError.ts";
import { installedPair, leastHealthy } from "../base/installedPair.ts";
import type { Reader } from "./attributes.ts";
import { unreadable } from "./reader.ts";

/** Larger files are not a pair; the rest is not read. */
const READ_BYTES_MAX = 1024 * 1024;

/** Two files, or one for both. */
export interface PairPaths {
  readonly certificate: string;
  /** Left out: renewd writes no key beside it. */
  readonly key?: string | undefined;
}

/** What the files of one certificate hold. `reader`: the user of the running server; null: not known. Throws `deploy.io`. */
export async function inspectFiles(
  pairs: readonly PairPaths[],
  { previous }: InspectRequest,
  reader: Reader | null,
): Promise<InstalledPair | null> {
  const found: InstalledPair[] = [];
  for (const paths of pairs) found.push(await inspectPair(paths, reader));
  return leastHealthy(found, previous?.fingerprint);
}

async function inspectPair({ certificate, key }: PairPaths, reader: Reader | null): Promise<InstalledPair> {
  const certificateText = await readIfThere(certificate);
  const keyText = key === certificate ? certificateText : key && (await readIfThere(key));
  const names = { certificate, key: key ?? certificate };
  const held = installedPair({ certificate: certificateText, key: keyText, names });
  const hidden = await accessProblems(new Set([names.certificate, names.key]), reader);
  return { ...held, problems: [...held.problems, ...hidden] };
}

/** Why the server could not read these files at its next start. */
export async function accessProblems(paths: ReadonlySet<string>, reader: Reader | null): Promise<string[]> {
  if (reader === null) return [];
  const problems: string[] = [];
  for (const path of paths) {
    const attributes = await stat(path).catch(() => null);
    const problem = attributes === null ? null : await unreadable(reader, { at: path, path, attributes });
    if (problem !== null) problems.push(problem);
  }
  return problems;
}

/** null: there is no such file. Throws `deploy.io` for one that renewd cannot read. */
export async function readIfThere(path: string): Promise<string | null> {
  try {
    await using handle = await open(path);
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(READ_BYTES_MAX), 0, READ_BYTES_MAX, 0);
    return buffer.subarray(0, bytesRead).toString("utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
    throw fileError(error, path);
  }
}
