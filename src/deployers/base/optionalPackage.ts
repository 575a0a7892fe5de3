import { RenewalError } from "../../domain/errors.ts";
import { loadOptional } from "../../domain/optionalPackage.ts";

/**
 * A vendor's SDK is large and most installations need none: it is loaded at first use. Throws `deploy.missingPackage`.
 */
export async function optionalPackage<Module>(
  name: string,
  load: () => Promise<Module>,
  /** The module that loads it; default: one of renewd's. */
  from?: string,
): Promise<Module> {
  const loaded = await loadOptional(name, load, from);
  if (loaded !== null) return loaded;
  throw new RenewalError(
    "deploy.missingPackage",
    `this kind of target needs the package ${name}: run \`npm install ${name}\` beside renewd`,
  );
}
