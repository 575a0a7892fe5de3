import { chmod, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { RenewalError } from "../../domain/errors.ts";
import type { IssuedCertificate } from "../../domain/version.ts";
import { fileError } from "../base/fileError.ts";
import { parseRecord, recordText, refuseOlder } from "../base/generationRecord.ts";
import { type PairPem, pairPem } from "../base/pairPem.ts";
import { stageFiles } from "../local/atomicFiles.ts";
import { type Directory, openDirectory } from "../local/directory.ts";
import { lockDirectory } from "../local/directoryLock.ts";

/** Files in a directory of their own that only renewd's user can enter, for as long as a program needs them. */
export interface HandedOver {
  /** Absolute; 0700. The program may leave things in it: they go with it. */
  readonly directory: string;
  /** Absolute; 0600. */
  readonly files: Readonly<Record<(typeof HANDED)[number], string>>;
}

const HANDED = ["cert", "chain", "fullchain", "privkey"] as const satisfies readonly (keyof PairPem)[];

export interface HandOver {
  readonly pair: IssuedCertificate;
  /** Where the generation is remembered, as the program's target cannot be asked. */
  readonly record: { readonly path: string; readonly root: string };
}

/**
 * Hands a pair to a program that installs it where renewd itself cannot look. The generation is recorded before the program
 * runs: should we die meanwhile, nobody knows how far it came, so an older pair is refused from then on and this one is
 * handed over again. A program that says itself that it failed takes the record back. The lock is the record's own and held
 * throughout, so that two generations never run at once.
 */
export async function handOver(
  { pair, record }: HandOver,
  signal: AbortSignal,
  run: (handed: HandedOver) => Promise<void>,
): Promise<void> {
  const pem = pairPem(pair);
  signal.throwIfAborted();
  const name = basename(record.path);
  await using directory = await openDirectory(dirname(record.path), record.root);
  using _lock = await lockDirectory(directory, signal, `.${name}.lock`);
  refuseOlder(pair, parseRecord(await readFile(record.path, "utf8").catch(() => "")), record.path);
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

/** Under the lock nobody else uses the name: what is there was left by a crash, and this is when it goes. */
async function privateFiles(parent: Directory, name: string, pem: PairPem): Promise<HandedOver & AsyncDisposable> {
  const directory = join(parent.path, name);
  const remove = (): Promise<void> => rm(parent.at(name), { recursive: true, force: true });
  try {
    await remove();
    await mkdir(parent.at(name), { mode: 0o700 });
    // The umask may have taken from the mode what the owner needs.
    await chmod(parent.at(name), 0o700);
    for (const kind of HANDED)
      await writeFile(join(parent.at(name), `${kind}.pem`), pem[kind], { mode: 0o600, flag: "wx" });
  } catch (error) {
    await remove().catch(() => undefined);
    throw fileError(error, directory);
  }
  const path = (kind: (typeof HANDED)[number]): string => join(directory, `${kind}.pem`);
  return {
    directory,
    files: { cert: path("cert"), chain: path("chain"), fullchain: path("fullchain"), privkey: path("privkey") },
    [Symbol.asyncDispose]: remove,
  };
}
