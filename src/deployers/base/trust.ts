import { readFile } from "node:fs/promises";
import { z } from "zod";
import { fileError } from "./fileError.ts";

/** An option for targets whose certificate comes from a CA of one's own. */
export const trustOption = z
  .string()
  .startsWith("/", "must be absolute")
  .max(1024)
  .optional()
  .describe("PEM file of the CAs trusted for this target's API instead of those of the system and of Node.");

/** Read at each use, so that a renewed CA is found. Throws `deploy.io`. */
export async function readTrust(path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined;
  return await readFile(path, "utf8").catch((error) => {
    throw fileError(error, path);
  });
}
