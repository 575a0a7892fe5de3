// An older Node has no such export by name, and would end with a stack before it can be refused.
import nodeModule from "node:module";
import { join } from "node:path";

/**
 * Run from a checkout, renewd would strip the types of some hundred files at each start. Node keeps the result, and the
 * compiled code, where tools of a checkout keep such things. The installed package has no use for it: it is bundled.
 */
export function cacheCompiledCode(): void {
  if (import.meta.filename.endsWith(".ts"))
    nodeModule.enableCompileCache(join(import.meta.dirname, "../../node_modules/.cache/renewd"));
}
