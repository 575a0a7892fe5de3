import { readdir, realpath, stat } from "node:fs/promises";
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
export async function sharedFiles(config: Config): Promise<RehearsalStep[]> {
  const directories = await directoriesOf(config);
  // Without a link no file has two paths: of a large fleet none is looked at by itself then.
  if ([...directories].every(([path, { real, links }]) => path === real && links.size === 0)) return [];
  const owners = new Map<string, Owner>();
  const found: RehearsalStep[] = [];
  for (const writer of writers(config)) {
    const file = await realFile(writer.place, directories);
    const owner = owners.get(file);
    if (owner === undefined) owners.set(file, writer);
    else if (owner.place !== writer.place && found.length < SHOWN_MAX) found.push(shared(owner, writer));
  }
  return found;
}

/** Of every file of this machine. */
function* writers({ certificates, targets }: Config): Generator<Owner> {
  for (const { name: certificate, targets: names } of certificates)
    for (const target of new Set(names)) {
      const { plugin, options, agent } = targets.get(target) ?? {};
      if (agent !== false) continue;
      // Others are names of things elsewhere.
      for (const place of plugin?.occupies?.(options, certificate) ?? [])
        if (place.startsWith("/")) yield { place, target, certificate };
    }
}

function shared(owner: Owner, { place, target, certificate }: Owner): RehearsalStep {
  const error = new RenewalError(
    "config.invalid",
    `${place} of certificate ${certificate} is the same file as ${owner.place} of certificate ${owner.certificate} by ` +
      `target ${owner.target}, through a symbolic link: give each its own`,
  );
  return { step: `target ${target}`, result: "failed", message: error.message, error };
}

interface Directory {
  readonly real: string;
  /** Names of the links in it. */
  readonly links: ReadonlySet<string>;
}

/** Each is looked into once: few of its files are links. */
async function directoriesOf(config: Config): Promise<ReadonlyMap<string, Directory>> {
  const directories = new Map<string, Directory>();
  for (const { place } of writers(config)) {
    const path = dirname(place);
    if (directories.has(path)) continue;
    const real = await realDirectory(path);
    const entries = await readdir(real, { withFileTypes: true }).catch(() => []);
    const links = entries.filter((entry) => entry.isSymbolicLink()).map(({ name }) => name);
    directories.set(path, { real, links: new Set(links) });
  }
  return directories;
}

/** One that the first deployment makes will be below what there is. */
async function realDirectory(path: string): Promise<string> {
  const above = dirname(path);
  return realpath(path).catch(async () => (above === path ? path : join(await realDirectory(above), basename(path))));
}

async function realFile(path: string, directories: ReadonlyMap<string, Directory>): Promise<string> {
  const { real, links } = directories.get(dirname(path)) ?? { real: dirname(path), links: new Set() };
  const name = basename(path);
  const file = join(real, name);
  // A deployment writes through the link of a directory, such as a lineage of certbot. That of a file it replaces.
  const isDirectory = links.has(name) && (await stat(file).catch(() => null))?.isDirectory() === true;
  return isDirectory ? realpath(file) : file;
}
