import { RenewalError } from "../../domain/errors.ts";

/**
 * A vendor's SDK is large and most installations need none: it is loaded at first use, each by itself. Throws
 * `dns.missingPackage`.
 */
export async function optionalPackage<Module>(name: string, load: () => Promise<Module>): Promise<Module> {
  try {
    return await load();
  } catch (cause) {
    if (!(cause instanceof Error && "code" in cause && cause.code === "ERR_MODULE_NOT_FOUND")) throw cause;
    throw new RenewalError(
      "dns.missingPackage",
      `this solver needs the package ${name}: run \`npm install ${name}\` beside renewd`,
      { cause },
    );
  }
}
