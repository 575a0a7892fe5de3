import { readdir, unlink } from "node:fs/promises";
import { fileError } from "../base/fileError.ts";
import type { Directory } from "../local/directory.ts";
import { readIfThere } from "../local/readRegular.ts";

/** The key first, so that a watcher of the certificate finds the key in place. */
export const LINEAGE = ["privkey", "chain", "cert", "fullchain"] as const;
type Kind = (typeof LINEAGE)[number];

export type LineageContents = Readonly<Record<Kind, string>>;

/** As certbot keeps (since 2.3.0): the current one and five before it. */
const EARLIER_KEPT = 5;

export function fileName(kind: Kind, number: number): string {
  return `${kind}${number}.pem`;
}

/** The number for this pair: the highest one if its files already hold this pair, else the next. Numbers only rise. */
export async function chooseNumber(archive: Directory, contents: LineageContents): Promise<number> {
  const highest = Math.max(0, ...(await numbersIn(archive)));
  if (highest === 0) return 1;
  for (const kind of LINEAGE) {
    const held = await readIfThere(archive.at(fileName(kind, highest))).catch(() => null);
    // An earlier attempt died before it wrote a file that is missing.
    if (held !== null && held !== contents[kind]) return highest + 1;
  }
  return highest;
}

/** Removes files more than five numbers behind, and only the four kinds of files. */
export async function pruneArchive(archive: Directory, current: number): Promise<void> {
  const old = new Set((await numbersIn(archive)).filter((number) => number < current - EARLIER_KEPT));
  for (const number of old) {
    for (const kind of LINEAGE) {
      await unlink(archive.at(fileName(kind, number))).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== "ENOENT") throw fileError(error, `${archive.path}/${fileName(kind, number)}`);
      });
    }
  }
}

async function numbersIn(archive: Directory): Promise<number[]> {
  const names = await readdir(archive.at(".")).catch((error) => {
    throw fileError(error, `directory ${archive.path}`);
  });
  return names.flatMap((name) => {
    const number = /^(?:privkey|chain|cert|fullchain)([1-9]\d{0,8})\.pem$/.exec(name)?.[1];
    return number === undefined ? [] : [Number(number)];
  });
}
