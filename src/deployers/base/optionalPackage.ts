import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { RenewalError } from "../../domain/errors.ts";

/**
 * A vendor's SDK is large and most installations need none: it is loaded at first use. Throws `deploy.missingPackage`.
 */
export async function optionalPackage<Module>(
  name: string,
  load: () => Promise<Module>,
  /** The module that loads it. */
  from: string = import.meta.url,
): Promise<Module> {
  // Asked before Node is: of a package that it did not find, it never finds a later installation.
  if (!isInstalled(name, from)) throw missing(name);
  try {
    return await load();
  } catch (error) {
    if (!isMissing(error)) throw error;
    throw missing(name, error);
  }
}

/** In any node_modules directory that Node would search for this file. */
function isInstalled(name: string, from: string): boolean {
  const file = fileURLToPath(from);
  for (let at = dirname(file); ; at = dirname(at)) {
    if (existsSync(join(at, "node_modules", name, "package.json"))) return true;
    if (at === dirname(at)) return false;
  }
}

function missing(name: string, cause?: unknown): RenewalError {
  return new RenewalError(
    "deploy.missingPackage",
    `this kind of target needs the package ${name}: run \`npm install ${name}\` beside renewd`,
    { cause },
  );
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ERR_MODULE_NOT_FOUND";
}
