import { access } from "node:fs/promises";
import type { InstalledPair } from "../../domain/deployer.ts";
import type { Secret } from "../../domain/secret.ts";
import { installedPair } from "../base/installedPair.ts";
import { runCommand } from "../local/command.ts";
import type { KeystoreOptions } from "./keystore.ts";
import { KEYTOOL, TRUSTED } from "./keystoreEntries.ts";

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
    const entry = read === null ? null : entryOf(read, options.alias);
    const names = { certificate: pkcs12, key: pkcs12 };
    found.push(
      installedPair({ certificate: entry?.text ?? null, key: entry?.text ?? null, chain: entry?.chain, names }),
    );
  }
  if (jks !== undefined) {
    const text = await textOf(jks, readJks(jks, options.alias), options.password, signal);
    // keytool shows certificates and no keys.
    found.push(
      installedPair({ certificate: text, key: undefined, chain: text, names: { certificate: jks, key: jks } }),
    );
  }
  return found;
}

/** Prints keys and certificates, each with its attributes in front. */
function readPkcs12(path: string, legacy: boolean): string[] {
  const read = ["openssl", "pkcs12", "-in", path, "-passin", "env:RENEWD_PASSWORD", "-noenc"];
  return legacy ? [...read, "-legacy"] : read;
}

interface Entry {
  readonly text: string;
  /** PEM; undefined: the store holds certificates of others too, and none says whose it is. */
  readonly chain: string | undefined;
}

/** The parts of this name, where the store holds the entries of others too. */
function entryOf(text: string, alias: string): Entry {
  const parts = text.split(/(?<=^-----END .*-----\n)/m);
  const nameOf = (part: string): string | undefined => /friendlyName: (.+)/.exec(part)?.[1]?.trim().toLowerCase();
  const ours = parts.filter((part) => nameOf(part) === alias.toLowerCase());
  const keys = parts.filter((part) => /-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(part));
  const shared = keys.length > 1 || parts.some((part) => TRUSTED.test(part));
  return { text: ours.length > 0 ? ours.join("") : text, chain: shared ? undefined : text };
}

function readJks(path: string, alias: string): string[] {
  return [...KEYTOOL, "-list", "-rfc", "-alias", alias, "-keystore", path, "-storepass:env", "RENEWD_PASSWORD"];
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
