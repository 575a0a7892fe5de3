import { readdir, realpath } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Config } from "../config/config.ts";
import { RenewalError } from "../domain/errors.ts";
import type { RehearsalStep } from "../renewal/watch/rehearsalStep.ts";

/** Of a fleet whose directory is linked twice, every file is. */
const SHOWN_MAX = 10;

interface Owner {
  readonly place: string;
  readonly target: string;
  readonly certificate: string;
}

/**
 * Files of this machine that two targets or certificates would write through different paths, each replacing the
 * other's pair. The configuration compares paths as they are written: only their machine knows its symbolic links.
 */
export async function sharedFiles({ certificates, targets }: Config): Promise<RehearsalStep[]> {
  const owners = new Map<string, Owner>();
  const realFile = realFiles();
  const found: RehearsalStep[] = [];
  for (const { name: certificate, targets: names } of certificates)
    for (const target of new Set(names)) {
      const { plugin, options, agent } = targets.get(target) ?? {};
      if (agent !== false) continue;
      for (const place of plugin?.occupies?.(options, certificate) ?? []) {
        // Others are names of things elsewhere.
        if (!place.startsWith("/")) continue;
        const file = await realFile(place);
        const owner = owners.get(file);
        if (owner === undefined) owners.set(file, { place, target, certificate });
        else if (owner.place !== place && found.length < SHOWN_MAX)
          found.push(shared(owner, { place, target, certificate }));
      }
    }
  return found;
}

function shared(owner: Owner, { place, target, certificate }: Owner): RehearsalStep {
  const error = new RenewalError(
    "config.invalid",
    `${place} of certificate ${certificate} is the same file as ${owner.place} of certificate ${owner.certificate} by ` +
      `target ${owner.target}, through a symbolic link: give each its own`,
  );
  return { step: `target ${target}`, result: "failed", message: error.message, error };
}

/** Each directory is looked into once: few of its files are links. */
function realFiles(): (path: string) => Promise<string> {
  const directories = new Map<string, Promise<{ readonly real: string; readonly links: ReadonlySet<string> }>>();
  const look = async (path: string) => {
    const real = await realpath(path).catch(() => path); // It is made by the first deployment.
    const entries = await readdir(real, { withFileTypes: true }).catch(() => []);
    return { real, links: new Set(entries.filter((entry) => entry.isSymbolicLink()).map(({ name }) => name)) };
  };
  return async (path) => {
    const [directory, name] = [dirname(path), basename(path)];
    const known = directories.get(directory) ?? look(directory);
    directories.set(directory, known);
    const { real, links } = await known;
    const file = join(real, name);
    return links.has(name) ? realpath(file).catch(() => file) : file;
  };
}
