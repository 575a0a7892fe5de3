import { chmod, copyFile, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RenewalError } from "../../domain/errors.ts";
import { Secret } from "../../domain/secret.ts";
import { sanitize } from "../../domain/text.ts";
import { fileError } from "../base/fileError.ts";
import { checkCommand, runCommand } from "../local/command.ts";
import { KEYTOOL, othersIn, type RunTool } from "./keystoreEntries.ts";

/** A JVM starts slowly on a busy machine. */
const TOOL_TIMEOUT_MS = 60_000;

/** How the tools begin their errors: keytool on its standard output, OpenSSL with the code of each library. */
const TOOL_ERROR = /^(?:keytool error: |[0-9A-F]{8,16}:error:)/;

/** Debian's package of each tool. */
const PACKAGES = { openssl: "openssl", keytool: "default-jre-headless" } as const;

/** keytool refuses a shorter one, with a text that says too little. */
const JKS_PASSWORD_CHARS_MIN = 6;

export interface KeystoreOptions {
  readonly password: Secret;
  /** Name of the pair's entry. */
  readonly alias: string;
  /** RC2, 3DES and SHA-1, for old readers. */
  readonly legacy: boolean;
  /** Paths of the stores in place, whose other entries are kept. null: not wanted. */
  readonly stores: { readonly pkcs12: string | null; readonly jks: string | null };
  /** Overwrite a store whose other entries cannot be kept. */
  readonly adopt: boolean;
  /** The last deploy kept no other entries, so that a store that the password does not open holds none. */
  readonly isOwn: boolean;
}

/** A pair as a PKCS#12 file (RFC 7292) and as a Java keystore. */
export interface Keystores {
  readonly pkcs12: Uint8Array;
  /** null: not asked for. */
  readonly jks: Uint8Array | null;
  /** How many entries of others were kept. */
  readonly kept: number;
}

/**
 * OpenSSL creates the PKCS#12 file and, if wanted, keytool creates the Java keystore from it. Both have the
 * certificate's name as alias and one password for store and key. OpenSSL reads the private key from a pipe. Meanwhile
 * a private directory holds only files that the password encrypts already. Their salts differ from run to run. A store
 * in place that has other entries keeps them: keytool puts the pair into a copy of it.
 */
export async function makeKeystores(bundle: Secret, options: KeystoreOptions, signal: AbortSignal): Promise<Keystores> {
  const { password, alias, legacy, stores } = options;
  if (stores.jks !== null) requireJavaPassword(password);
  await using own = await temporaryDirectory();
  const source = join(own.path, "pair.p12");
  const env = { RENEWD_PASSWORD: password.reveal() };
  const run = (argv: readonly string[], stdin = new Secret("")): Promise<string> =>
    runCommand(
      { argv, stdin, secret: password, env, givenKey: true, errorLine: TOOL_ERROR, timeoutMs: TOOL_TIMEOUT_MS },
      signal,
    );
  // The leaf is the certificate that fits the key; the others follow it as its chain.
  const export12 = ["openssl", "pkcs12", "-export", "-name", alias, "-passout", "env:RENEWD_PASSWORD"];
  await run([...export12, "-out", source, ...(legacy ? ["-legacy"] : [])], bundle);

  const kept = async (kind: "pkcs12" | "jks", path: string): Promise<number> => {
    const store = { kind, path, alias };
    return await copyWithOthers({ store, to: join(own.path, kind) }, options, run);
  };
  const kept12 = stores.pkcs12 === null ? 0 : await kept("pkcs12", stores.pkcs12);
  if (kept12 > 0) await run(importKeystore({ source, target: join(own.path, "pkcs12"), type: "PKCS12", legacy }));
  const pkcs12 = await readFile(kept12 > 0 ? join(own.path, "pkcs12") : source);
  if (stores.jks === null) return { pkcs12, jks: null, kept: kept12 };
  const keptJks = await kept("jks", stores.jks);
  await run(importKeystore({ source, target: join(own.path, "jks"), type: "JKS", legacy }));
  return { pkcs12, jks: await readFile(join(own.path, "jks")), kept: kept12 + keptJks };
}

/**
 * For preflight: creates the same keystores for a pair that nobody uses, and writes them nowhere. Throws what the
 * deploy would throw.
 */
export async function tryKeystores(options: KeystoreOptions, signal: AbortSignal): Promise<void> {
  await checkTool("openssl");
  if (options.stores.jks !== null) await checkTool("keytool");
  const subject = ["-subj", "/CN=renewd-preflight", "-days", "1", "-keyout", "-", "-out", "-"];
  const argv = [
    "openssl",
    "req",
    "-x509",
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:P-256",
    "-nodes",
    ...subject,
  ];
  const pair = await runCommand({ argv, givenKey: true, timeoutMs: TOOL_TIMEOUT_MS }, signal);
  await makeKeystores(new Secret(pair), options, signal);
}

function requireJavaPassword(password: Secret): void {
  const text = password.reveal();
  if (text.length < JKS_PASSWORD_CHARS_MIN) {
    throw new RenewalError(
      "config.secret",
      `the password of a Java keystore needs at least ${JKS_PASSWORD_CHARS_MIN} characters`,
    );
  }
  // Java says "Password is not ASCII" about others (javax.crypto.spec.PBEKeySpec, provider SunJCE).
  if (!/^[\x20-\x7E]+$/.test(text))
    throw new RenewalError("config.secret", "the password of a Java keystore must be printable ASCII");
}

/**
 * Copies a store that has other entries, and returns their number. Throws `deploy.refused` where they cannot be kept.
 */
async function copyWithOthers(
  { store, to }: { readonly store: Parameters<typeof othersIn>[0]; readonly to: string },
  { adopt, isOwn }: Pick<KeystoreOptions, "adopt" | "isOwn">,
  run: RunTool,
): Promise<number> {
  const others = await othersIn(store, run);
  if (others === null && !adopt && !isOwn) {
    throw new RenewalError(
      "deploy.refused",
      `${store.path} was not written by renewd and \`password\` does not open it: name another file, or set ` +
        "`adopt: true`",
    );
  }
  const { entries, loose } = others ?? { entries: [], loose: [] };
  if (loose.length > 0 && !adopt) {
    throw new RenewalError(
      "deploy.refused",
      `${store.path} has certificates that belong to no key (${sanitize(loose.join("; "), 200)}), as a truststore has, ` +
        "and they cannot be kept: name another file, or set `adopt: true`",
    );
  }
  if (entries.length === 0) return 0;
  try {
    await checkTool("keytool");
  } catch (cause) {
    if (adopt) return 0;
    throw new RenewalError(
      "deploy.refused",
      `${store.path} has ${entries.length} other entries (${sanitize(entries.join(", "), 200)}), which only keytool ` +
        `can keep: run \`apt-get install ${PACKAGES.keytool}\`, name another file, or set \`adopt: true\``,
      { cause },
    );
  }
  await copyFile(store.path, to);
  await chmod(to, 0o600);
  return entries.length;
}

interface Import {
  readonly source: string;
  readonly target: string;
  readonly type: "JKS" | "PKCS12";
  readonly legacy: boolean;
}

/** Replaces the entry of the same alias and leaves the others. */
function importKeystore({ source, target, type, legacy }: Import): string[] {
  const password = (option: string): string[] => [`-${option}:env`, "RENEWD_PASSWORD"];
  const from = ["-srckeystore", source, "-srcstoretype", "PKCS12", ...password("srcstorepass")];
  const to = [
    "-destkeystore",
    target,
    "-deststoretype",
    type,
    ...password("deststorepass"),
    ...password("destkeypass"),
  ];
  return [
    ...KEYTOOL,
    ...(legacy ? ["-J-Dkeystore.pkcs12.legacy"] : []),
    "-importkeystore",
    "-noprompt",
    ...from,
    ...to,
  ];
}

/** Throws `deploy.commandFailed` with the command that installs the missing tool. */
export async function checkTool(tool: keyof typeof PACKAGES): Promise<void> {
  await checkCommand(tool).catch((cause) => {
    throw new RenewalError(
      "deploy.commandFailed",
      `\`${tool}\` is not installed: run \`apt-get install ${PACKAGES[tool]}\` where the deployer runs`,
      {
        cause,
      },
    );
  });
}

async function temporaryDirectory(): Promise<{ readonly path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), "renewd-")).catch((error) => {
    throw fileError(error, `directory ${tmpdir()}`);
  });
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}
