import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

/** A directory that stands for a machine's root. */
export interface FoundMachine extends AsyncDisposable {
  readonly root: string;
}

/** Absolute path on that machine → content. */
export async function machineWith(files: Readonly<Record<string, string>>): Promise<FoundMachine> {
  const root = await mkdtemp(join(tmpdir(), "renewd-machine-"));
  const write = async ([path, content]: readonly [string, string]): Promise<void> => {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), content);
  };
  await Promise.all(Object.entries(files).map(write));
  return { root, [Symbol.asyncDispose]: () => rm(root, { recursive: true }) };
}
