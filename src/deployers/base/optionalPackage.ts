import { RenewalError } from "../../domain/errors.ts";

/**
 * A vendor's SDK is large and most installations need none: it is loaded at first use. Throws `deploy.missingPackage`.
 */
export async function optionalPackage<Module>(name: string, load: () => Promise<Module>): Promise<Module> {
  try {
    return await load();
  } catch (error) {
    if (!isMissing(error)) throw error;
    throw new RenewalError(
      "deploy.missingPackage",
      `this kind of target needs the package ${name}: run \`npm install ${name}\` beside renewd`,
      {
        cause: error,
      },
    );
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ERR_MODULE_NOT_FOUND";
}
