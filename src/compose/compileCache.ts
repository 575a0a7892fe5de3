import { lstatSync, mkdirSync } from "node:fs";
// An older Node has no such export by name, and would end with a stack before it can be refused.
import nodeModule from "node:module";
import { userInfo } from "node:os";
import { join } from "node:path";

/**
 * Node keeps the code it has compiled, so that the next command need not compile it again: of a checkout, where types
 * are stripped as well, where its tools keep such things; of the installed package, in the user's own directory.
 */
export function cacheCompiledCode(): void {
  const directory = import.meta.filename.endsWith(".ts")
    ? join(import.meta.dirname, "../../node_modules/.cache/renewd")
    : ownCache(process.getuid?.(), () => userInfo().homedir);
  if (directory !== null) nodeModule.enableCompileCache(directory);
}

/**
 * What is in it is run. So it lies below the home that the system knows of this user, not below $HOME, which sudo may
 * hand on to root; and nobody else may write there. null: there is no such place, as for most users of services.
 */
export function ownCache(uid: number | undefined, home: () => string): string | null {
  try {
    const isOwn = (path: string): boolean => {
      const { uid: owner, mode } = lstatSync(path);
      return owner === uid && (mode & 0o022) === 0;
    };
    const found = home();
    if (!isOwn(found)) return null;
    const directory = join(found, ".cache/renewd");
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    return isOwn(join(found, ".cache")) && isOwn(directory) ? directory : null;
  } catch {
    return null;
  }
}
