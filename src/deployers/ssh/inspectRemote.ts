import type { InspectRequest, InstalledPair } from "../../domain/deployer.ts";
import { type GenerationRecord, parseRecord, writtenMode } from "../base/generationRecord.ts";
import { installedPair, leastHealthy } from "../base/installedPair.ts";
import { modeProblem } from "../local/attributes.ts";
import { recordPath } from "../local/generationFile.ts";
import type { PairPaths } from "../local/inspectFiles.ts";
import { ignoreForbidden, type Sftp } from "./sftp.ts";

const RECORD_BYTES_MAX = 16 * 1024;
/** Larger files are not a pair. */
const READ_BYTES_MAX = 1024 * 1024;

export interface RemotePair {
  readonly pairs: readonly PairPaths[];
  readonly keys: readonly string[];
  /** The first file of the layout, beside which the record is. */
  readonly first: string;
  /** What the target's options ask for. */
  readonly mode: number | undefined;
}

/** What the files of one certificate hold on another machine. Throws `deploy.io`. */
export async function inspectRemote(
  sftp: Sftp,
  { pairs, keys, first, mode }: RemotePair,
  { previous }: InspectRequest,
  signal: AbortSignal,
): Promise<InstalledPair | null> {
  const read = async (path: string): Promise<string | null> =>
    (await sftp.read(path, READ_BYTES_MAX, signal))?.toString("utf8") ?? null;
  const found: InstalledPair[] = [];
  for (const { certificate, key, chain } of pairs) {
    const text = await read(certificate);
    const chainText = chain === undefined ? text : chain && ((await read(chain)) ?? "");
    // A key that the login cannot read has a wrong mode or owner: empty, so that it is put in place again.
    const keyText =
      key === certificate ? text : key && (await read(key).catch((error) => ignoreForbidden(error) ?? ""));
    const names = { certificate, key: key ?? certificate };
    found.push(installedPair({ certificate: text, key: keyText, chain: chainText, names }));
  }
  const held = leastHealthy(found, previous?.fingerprint);
  if (held === null) return null;
  const record = await readRemoteRecord(sftp, first, signal);
  const wide: string[] = [];
  for (const path of keys) {
    const real = await sftp.realpath(path, signal);
    const attributes = real === null ? null : await sftp.lstat(real, signal);
    const problem =
      attributes === null ? null : modeProblem(path, attributes.mode, { mode, written: writtenMode(record, path) });
    if (problem !== null) wide.push(problem);
  }
  return { ...held, problems: [...held.problems, ...wide] };
}

/** null: there is none, or renewd did not write it. */
export async function readRemoteRecord(
  sftp: Sftp,
  first: string,
  signal: AbortSignal,
): Promise<GenerationRecord | null> {
  return parseRecord((await sftp.read(recordPath(first), RECORD_BYTES_MAX, signal))?.toString("utf8") ?? "");
}
