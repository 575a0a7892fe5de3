import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/**
 * What `load` imports; null: the package is not installed. Asked before Node is: of a package that Node did not find,
 * it never finds a later installation.
 */
export async function loadOptional<Module>(
  name: string,
  load: () => Promise<Module>,
  /** The module that loads it. */
  from: string = import.meta.url,
): Promise<Module | null> {
  if (!isInstalled(name, from)) return null;
  try {
    return await load();
  } catch (error) {
    if (!isMissing(error)) throw error;
    return null;
  }
}

/** In any node_modules directory that Node would search. */
function isInstalled(name: string, from: string): boolean {
  for (let at = dirname(fileURLToPath(from)); ; at = dirname(at)) {
    if (existsSync(join(at, "node_modules", name, "package.json"))) return true;
    if (at === dirname(at)) return false;
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ERR_MODULE_NOT_FOUND";
}
