import { open, stat } from "node:fs/promises";
import type { InspectRequest, InstalledPair } from "../../domain/deployer.ts";
import { fileError } from "../base/fileError.ts";
import { writtenMode } from "../base/generationRecord.ts";
import { installedPair, leastHealthy } from "../base/installedPair.ts";
import { modeProblem, type Reader } from "./attributes.ts";
import { readRecord } from "./generationFile.ts";
import { unreadable } from "./reader.ts";

/** Larger files are not a pair; the rest is not read. */
const READ_BYTES_MAX = 1024 * 1024;

/** Two files, or one for both. */
export interface PairPaths {
  readonly certificate: string;
  /** Left out: renewd writes no key beside it. */
  readonly key?: string | undefined;
  /** The file with the chain. null: none is meant for this certificate. Left out: it follows the certificate. */
  readonly chain?: string | null | undefined;
}

/** Who shall be able to use the keys. */
export interface KeyRules {
  /** The first file of the layout, beside which the record is. */
  readonly first: string;
  /** What the target's options ask for. */
  readonly mode?: number | undefined;
  /** The user of the running server; null: not known. */
  readonly reader: Reader | null;
}

/** What the files of one certificate hold. Throws `deploy.io`. */
export async function inspectFiles(
  pairs: readonly PairPaths[],
  { previous }: InspectRequest,
  rules: KeyRules,
): Promise<InstalledPair | null> {
  const found: InstalledPair[] = [];
  for (const paths of pairs) found.push(await inspectPair(paths, rules));
  return leastHealthy(found, previous?.fingerprint);
}

async function inspectPair({ certificate, key, chain }: PairPaths, rules: KeyRules): Promise<InstalledPair> {
  const certificateText = await readIfThere(certificate);
  const keyText = key === certificate ? certificateText : key && (await readKeyIfThere(key));
  const names = { certificate, key: key ?? certificate };
  const chainText = chain === undefined ? certificateText : chain && ((await readIfThere(chain)) ?? "");
  const held = installedPair({ certificate: certificateText, key: keyText, chain: chainText, names });
  const hidden = await accessProblems(new Set([names.certificate, names.key]), rules.reader);
  const wide = key === undefined ? [] : await modeProblems([key], rules);
  return { ...held, problems: [...held.problems, ...hidden, ...wide] };
}

/** Which of these keys more users can read or change than renewd let. */
export async function modeProblems(
  keys: readonly string[],
  { first, mode }: Pick<KeyRules, "first" | "mode">,
): Promise<string[]> {
  const record = await readRecord(first);
  const problems: string[] = [];
  for (const path of keys) {
    const found = await stat(path).catch(() => null);
    const problem = found === null ? null : modeProblem(path, found.mode, { mode, written: writtenMode(record, path) });
    if (problem !== null) problems.push(problem);
  }
  return problems;
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

/** A key that renewd itself cannot read has a wrong mode or owner: empty, so that it is put in place again. */
async function readKeyIfThere(path: string): Promise<string | null> {
  return await readIfThere(path).catch((error: unknown) => {
    const { cause } = error instanceof Error ? error : {};
    if (cause instanceof Error && "code" in cause && cause.code === "EACCES") return "";
    throw error;
  });
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
