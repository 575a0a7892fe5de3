import { access } from "node:fs/promises";
import type { InstalledPair } from "../../domain/deployer.ts";
import type { Secret } from "../../domain/secret.ts";
import { installedPair } from "../base/installedPair.ts";
import { runCommand } from "../local/command.ts";
import type { KeystoreOptions } from "./keystore.ts";

const TOOL_TIMEOUT_MS = 60_000;

/** Paths; undefined: the target has none of this kind. */
export interface Keystores {
  readonly pkcs12: string | undefined;
  readonly jks: string | undefined;
}

/** What the keystores hold for one certificate. A keystore that the password does not open holds none. */
export async function inspectKeystores(
  { pkcs12, jks }: Keystores,
  options: Pick<KeystoreOptions, "password" | "legacy"> & { readonly alias: string },
  signal: AbortSignal,
): Promise<InstalledPair[]> {
  const found: InstalledPair[] = [];
  if (pkcs12 !== undefined) {
    const read = await textOf(pkcs12, readPkcs12(pkcs12, options.legacy), options.password, signal);
    const text = read === null ? null : entryOf(read, options.alias);
    found.push(installedPair({ certificate: text, key: text, names: { certificate: pkcs12, key: pkcs12 } }));
  }
  if (jks !== undefined) {
    const text = await textOf(jks, readJks(jks, options.alias), options.password, signal);
    // keytool shows certificates and no keys.
    found.push(installedPair({ certificate: text, key: undefined, names: { certificate: jks, key: jks } }));
  }
  return found;
}

/** Prints the key and its certificate; `-clcerts` leaves the chain out. */
function readPkcs12(path: string, legacy: boolean): string[] {
  const read = ["openssl", "pkcs12", "-in", path, "-passin", "env:RENEWD_PASSWORD", "-clcerts", "-noenc"];
  return legacy ? [...read, "-legacy"] : read;
}

/** The parts of this name, where the store holds the entries of others too. */
function entryOf(text: string, alias: string): string {
  const parts = text.split(/(?<=^-----END .*-----\n)/m);
  const ours = parts.filter(
    (part) => /friendlyName: (.+)/.exec(part)?.[1]?.trim().toLowerCase() === alias.toLowerCase(),
  );
  return ours.length > 0 ? ours.join("") : text;
}

function readJks(path: string, alias: string): string[] {
  return ["keytool", "-list", "-rfc", "-alias", alias, "-keystore", path, "-storepass:env", "RENEWD_PASSWORD"];
}

/** null: there is no such file. */
async function textOf(
  path: string,
  argv: readonly string[],
  password: Secret,
  signal: AbortSignal,
): Promise<string | null> {
  const exists = await access(path).then(
    () => true,
    () => false,
  );
  if (!exists) return null;
  const env = { RENEWD_PASSWORD: password.reveal() };
  return await runCommand({ argv, env, secret: password, timeoutMs: TOOL_TIMEOUT_MS }, signal).catch(() => {
    signal.throwIfAborted();
    return "";
  });
}
