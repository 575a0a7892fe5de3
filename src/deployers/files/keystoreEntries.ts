import { stat } from "node:fs/promises";
import { RenewalError } from "../../domain/errors.ts";
import { fileError } from "../base/fileError.ts";

/** Runs a tool that knows the password as RENEWD_PASSWORD, and returns what it wrote to stdout. */
export type RunTool = (argv: readonly string[]) => Promise<string>;

/** The store's entries beside the alias; empty: none, or there is no store. null: the password does not open it. */
export async function foreignEntries(
  store: { readonly kind: "pkcs12" | "jks"; readonly path: string; readonly alias: string },
  run: RunTool,
): Promise<readonly string[] | null> {
  if (!(await exists(store.path))) return [];
  const isOurs = (name: string): boolean => name.toLowerCase() === store.alias.toLowerCase();
  try {
    const names = store.kind === "jks" ? await namesInJks(store.path, run) : await namesInPkcs12(store.path, run);
    return [...new Set(names.filter((name) => !isOurs(name)))];
  } catch (error) {
    if (error instanceof RenewalError && error.code === "deploy.commandFailed") return null;
    throw error;
  }
}

async function exists(path: string): Promise<boolean> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return null;
    throw fileError(error, path);
  });
  return found !== null;
}

async function namesInJks(path: string, run: RunTool): Promise<string[]> {
  const english = ["-J-Duser.language=en", "-J-Duser.country=US"];
  const listed = await run(["keytool", ...english, "-list", "-keystore", path, "-storepass:env", "RENEWD_PASSWORD"]);
  // Such as: www.example.org, Nov 28, 2026, PrivateKeyEntry,
  return [...listed.matchAll(/^(.+), [A-Z][a-z]{2} \d{1,2}, \d{4}, \w+,/gm)].map(([, name = ""]) => name);
}

const UNNAMED = "an entry without a name";
const PART_END = /^-----END .*$/m;
/** Attribute by which Java marks a certificate that is an entry of its own. */
export const TRUSTED: RegExp = /2\.16\.840\.1\.113894\.746875|Trusted key usage/i;

/**
 * From OpenSSL's output: the keys, still encrypted, and the certificates, each with its attributes in front. The
 * certificates of a chain have no name, or Java's: their subject.
 */
async function namesInPkcs12(path: string, run: RunTool): Promise<string[]> {
  const argv = ["openssl", "pkcs12", "-in", path, "-passin", "env:RENEWD_PASSWORD", "-passout", "env:RENEWD_PASSWORD"];
  const text = await run(argv).catch(() => run([...argv, "-legacy"]));
  return text.split(PART_END).flatMap((part) => {
    const name = /friendlyName: (.+)/.exec(part)?.[1]?.trim();
    if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(part) || TRUSTED.test(part)) return [name ?? UNNAMED];
    return name === undefined || name.includes("=") ? [] : [name];
  });
}
