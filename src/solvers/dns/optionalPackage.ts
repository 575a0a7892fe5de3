import { RenewalError } from "../../domain/errors.ts";
import { loadOptional } from "../../domain/optionalPackage.ts";

/**
 * A vendor's SDK is large and most installations need none: it is loaded at first use, each by itself. Throws
 * `dns.missingPackage`.
 */
export async function optionalPackage<Module>(name: string, load: () => Promise<Module>): Promise<Module> {
  const loaded = await loadOptional(name, load);
  if (loaded !== null) return loaded;
  throw new RenewalError(
    "dns.missingPackage",
    `this solver needs the package ${name}: run \`npm install ${name}\` beside renewd`,
  );
}
