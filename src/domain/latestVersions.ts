import { NAMES_MAX, type Store } from "./store.ts";
import type { UnreadableVersion, Version } from "./version.ts";

/**
 * The latest version of each of these certificates that has one; of all by default. Some at a time: with their chains
 * those of a large fleet are more than a process should hold. A row that cannot be read is reported instead.
 */
export async function* latestVersions(
  { versions }: Pick<Store, "versions">,
  onUnreadable: (version: UnreadableVersion) => void = () => {},
  among?: readonly string[],
): AsyncGenerator<Version> {
  const names = among ?? (await versions.origins()).map(({ certificate }) => certificate);
  for (let from = 0; from < names.length; from += NAMES_MAX)
    yield* await versions.listLatest(onUnreadable, names.slice(from, from + NAMES_MAX));
}
