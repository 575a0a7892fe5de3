import { chmod, mkdir, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { RenewalError } from "../../domain/errors.ts";
import type { IssuedCertificate } from "../../domain/version.ts";
import { fileError } from "../base/fileError.ts";
import { parseRecord, recordText, refuseOlder } from "../base/generationRecord.ts";
import { type PairPem, pairPem } from "../base/pairPem.ts";
import { stageFiles } from "../local/atomicFiles.ts";
import { type Directory, openDirectory } from "../local/directory.ts";
import { lockDirectory } from "../local/directoryLock.ts";
import { readIfThere } from "../local/readRegular.ts";
import { tryStaging } from "../local/tryStaging.ts";

/** Files in a private directory that only renewd's user can enter, while a program needs them. */
export interface ProgramFiles {
  /** Absolute; 0700. Files that the program leaves in it are removed with it. */
  readonly directory: string;
  /** Absolute; 0600. */
  readonly files: Readonly<Record<(typeof FILE_KINDS)[number], string>>;
}

const FILE_KINDS = ["cert", "chain", "fullchain", "privkey"] as const satisfies readonly (keyof PairPem)[];

export interface ProgramInput {
  readonly pair: IssuedCertificate;
  /** Where the generation is remembered, as the program's target cannot be asked. */
  readonly record: RecordPlace;
}

export interface RecordPlace {
  readonly path: string;
  readonly root: string;
}

/** For preflight: what `withProgramFiles` does before it runs the program. Throws what a deploy would. */
export async function checkProgramFiles(record: RecordPlace, signal: AbortSignal): Promise<void> {
  await tryStaging([{ ...record, secret: false }], signal, { name: lockNameOf(record) });
}

/**
 * Gives a pair to a program that installs it where renewd cannot read it back. The generation is recorded before the
 * program runs: after a crash it is unknown how far the program came, so an older pair is refused from then on and this
 * pair is given again. When the program reports a failure, the old record is restored. The record's own lock is held
 * throughout, so two generations never run at the same time.
 */
export async function withProgramFiles(
  { pair, record }: ProgramInput,
  signal: AbortSignal,
  run: (handed: ProgramFiles) => Promise<void>,
): Promise<void> {
  const pem = pairPem(pair);
  signal.throwIfAborted();
  const name = basename(record.path);
  await using directory = await openDirectory(dirname(record.path), record.root);
  using _lock = await lockDirectory(directory, signal, { name: lockNameOf(record) });
  refuseOlder(pair, parseRecord((await readIfThere(record.path).catch(() => null)) ?? ""), record.path);
  await using staged = await stageFiles([{ ...record, content: recordText(pair), secret: false }], signal);
  await using handed = await privateFiles(directory, `.${name}.files`, pem);
  signal.throwIfAborted();
  await staged.swap();
  try {
    await run(handed);
  } catch (error) {
    if (error instanceof RenewalError && error.code !== "deploy.timeout" && !signal.aborted) await staged.restore();
    throw error;
  }
}

function lockNameOf({ path }: RecordPlace): string {
  return `.${basename(path)}.lock`;
}

/** The lock makes the name exclusive: files found there were left by a crash and are removed now. */
async function privateFiles(parent: Directory, name: string, pem: PairPem): Promise<ProgramFiles & AsyncDisposable> {
  const directory = join(parent.path, name);
  const remove = (): Promise<void> => rm(parent.at(name), { recursive: true, force: true });
  try {
    await remove();
    await mkdir(parent.at(name), { mode: 0o700 });
    // The umask may have taken from the mode what the owner needs.
    await chmod(parent.at(name), 0o700);
    for (const kind of FILE_KINDS)
      await writeFile(join(parent.at(name), `${kind}.pem`), pem[kind], { mode: 0o600, flag: "wx" });
  } catch (error) {
    await remove().catch(() => undefined);
    throw fileError(error, directory);
  }
  const path = (kind: (typeof FILE_KINDS)[number]): string => join(directory, `${kind}.pem`);
  return {
    directory,
    files: { cert: path("cert"), chain: path("chain"), fullchain: path("fullchain"), privkey: path("privkey") },
    [Symbol.asyncDispose]: remove,
  };
}
