import { stat } from "node:fs/promises";
import type { InspectRequest, InstalledPair } from "../../domain/deployer.ts";
import { writtenMode } from "../base/generationRecord.ts";
import { installedPair, leastHealthy } from "../base/installedPair.ts";
import { modeProblem, type Reader } from "./attributes.ts";
import { readRecord } from "./generationFile.ts";
import { unreadable } from "./reader.ts";
import { isFilesFault, readIfThere } from "./readRegular.ts";

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
  const unread: string[] = [];
  const certificateText = await heldText(certificate, unread);
  const keyText = key === certificate ? certificateText : key && (await heldText(key, unread));
  const names = { certificate, key: key ?? certificate };
  const chainText = chain === undefined ? certificateText : chain && ((await heldText(chain, unread)) ?? "");
  const held = installedPair({ certificate: certificateText, key: keyText, chain: chainText, names });
  const hidden = await accessProblems(new Set([names.certificate, names.key]), rules.reader);
  const wide = key === undefined ? [] : await modeProblems([key], rules);
  return { ...held, problems: [...unread, ...held.problems, ...hidden, ...wide] };
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

/** What cannot be read is no pair: empty, so that it is put in place again. */
async function heldText(path: string, problems: string[]): Promise<string | null> {
  return await readIfThere(path).catch((error: unknown) => {
    if (!isFilesFault(error)) throw error;
    if (!problems.includes(error.message)) problems.push(error.message);
    return "";
  });
}
