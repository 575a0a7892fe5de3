import { X509Certificate } from "node:crypto";
import { stat } from "node:fs/promises";
import { RenewalError } from "../../domain/errors.ts";
import { sanitize } from "../../domain/text.ts";
import { fileError } from "../base/fileError.ts";

/** Runs a tool that knows the password as RENEWD_PASSWORD, and returns what it wrote to stdout. */
export type RunTool = (argv: readonly string[]) => Promise<string>;

/** What a store holds beside the pair, by name. */
export interface Others {
  /** Keys, and certificates that are entries of their own: keytool keeps them. */
  readonly entries: readonly string[];
  /** Certificates that belong to no key, as OpenSSL writes a truststore. Java does not see them. */
  readonly loose: readonly string[];
}

/** It runs for half a second: compiling it well takes Java longer than running it. */
export const KEYTOOL: readonly string[] = ["keytool", "-J-XX:TieredStopAtLevel=1"];

const NO_OTHERS: Others = { entries: [], loose: [] };

/** Nothing of others: there is no store, or only the alias. null: the password does not open it. */
export async function othersIn(
  store: { readonly kind: "pkcs12" | "jks"; readonly path: string; readonly alias: string },
  run: RunTool,
): Promise<Others | null> {
  if (!(await exists(store.path))) return NO_OTHERS;
  const isOurs = (name: string): boolean => name.toLowerCase() === store.alias.toLowerCase();
  try {
    const { entries, loose } =
      store.kind === "jks" ? await entriesOfJks(store.path, run) : await entriesOfPkcs12(store.path, run);
    return { entries: [...new Set(entries.filter((name) => !isOurs(name)))], loose };
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

async function entriesOfJks(path: string, run: RunTool): Promise<Others> {
  const english = ["-J-Duser.language=en", "-J-Duser.country=US"];
  const listed = await run([...KEYTOOL, ...english, "-list", "-keystore", path, "-storepass:env", "RENEWD_PASSWORD"]);
  // Such as: www.example.org, Nov 28, 2026, PrivateKeyEntry,
  const entries = [...listed.matchAll(/^(.+), [A-Z][a-z]{2} \d{1,2}, \d{4}, \w+,/gm)].map(([, name = ""]) => name);
  return { entries, loose: [] };
}

const UNNAMED = "an entry without a name";
/** Characters. */
const NAME_MAX = 80;
/** Attribute by which Java marks a certificate that is an entry of its own. */
export const TRUSTED: RegExp = /2\.16\.840\.1\.113894\.746875|Trusted key usage/i;

/** One key or certificate as OpenSSL prints it, with what stands in front: its attributes, and keys of other kinds. */
interface Part {
  readonly names: readonly string[];
  readonly isKey: boolean;
  readonly isTrusted: boolean;
  /** It says which key it belongs to. */
  readonly hasKeyId: boolean;
  /** null: a key, or what stands behind the last part. */
  readonly certificate: X509Certificate | null;
}

async function entriesOfPkcs12(path: string, run: RunTool): Promise<Others> {
  const argv = ["openssl", "pkcs12", "-in", path, "-passin", "env:RENEWD_PASSWORD", "-passout", "env:RENEWD_PASSWORD"];
  const text = await run(argv).catch(() => run([...argv, "-legacy"]));
  const parts = text.split(/(?<=^-----END .*$)/m).map(partOf);
  const entries = parts.flatMap(({ names, isKey, isTrusted, certificate }) => {
    if (certificate !== null && !isTrusted) return [];
    return names.length === 0 && (isKey || isTrusted) ? [UNNAMED] : names;
  });
  return { entries, loose: looseOf(parts) };
}

function partOf(text: string): Part {
  const [pem = null] = /^-----BEGIN [A-Z ]*CERTIFICATE-----[\s\S]*/m.exec(text) ?? [];
  return {
    names: [...text.matchAll(/friendlyName: (.+)/g)].map(([, name = ""]) => name.trim()),
    isKey: /-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text),
    isTrusted: TRUSTED.test(text),
    hasKeyId: text.includes("localKeyID:"),
    certificate: pem === null ? null : new X509Certificate(pem),
  };
}

/** Certificates that are neither entries of their own nor in the chain of a key. */
function looseOf(parts: readonly Part[]): string[] {
  const all = parts.flatMap(({ isTrusted, certificate, hasKeyId }) =>
    certificate === null || isTrusted ? [] : [{ certificate, hasKeyId }],
  );
  // Not every tool says which certificate fits the key; it is the first one then.
  const named = all.filter(({ hasKeyId }) => hasKeyId);
  const leaves = named.length > 0 ? named : all.slice(0, parts.some(({ isKey }) => isKey) ? 1 : 0);
  const chains = new Set(leaves.map(({ certificate }) => certificate));
  // A set visits what is added on the way.
  for (const one of chains)
    for (const { certificate } of all) if (one.checkIssued(certificate)) chains.add(certificate);
  return all.flatMap(({ certificate }) => (chains.has(certificate) ? [] : [sanitize(certificate.subject, NAME_MAX)]));
}
