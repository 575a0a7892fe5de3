import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RenewalError } from "../../domain/errors.ts";
import { Secret } from "../../domain/secret.ts";
import type { IssuedCertificate } from "../../domain/version.ts";
import { fileError } from "../base/fileError.ts";
import type { PairPem } from "../base/pairPem.ts";
import { checkCommand, runCommand } from "../local/command.ts";

/** A JVM starts slowly on a busy machine. */
const TOOL_TIMEOUT_MS = 60_000;

/** Debian's package of each tool. */
const PACKAGES = { openssl: "openssl", keytool: "default-jre-headless" } as const;

/** keytool refuses a shorter one, with a text that says too little. */
const JKS_PASSWORD_CHARS_MIN = 6;

export interface KeystoreOptions {
  readonly password: Secret;
  /** RC2, 3DES and SHA-1, for old readers. */
  readonly legacy: boolean;
}

/** A pair as a PKCS#12 file (RFC 7292) and as a Java keystore. */
export interface Keystores {
  readonly pkcs12: Uint8Array;
  /** null: not asked for. */
  readonly jks: Uint8Array | null;
}

/**
 * OpenSSL creates the PKCS#12 file and, if wanted, keytool creates the Java keystore from it. Both have the
 * certificate's name as alias and one password for store and key. OpenSSL reads the private key from a pipe. Meanwhile
 * a private directory holds only files that the password encrypts already. Their salts differ from run to run.
 */
export async function makeKeystores(
  pair: IssuedCertificate,
  pem: PairPem,
  { password, legacy, jks }: KeystoreOptions & { readonly jks: boolean },
  signal: AbortSignal,
): Promise<Keystores> {
  if (jks && password.reveal().length < JKS_PASSWORD_CHARS_MIN) {
    throw new RenewalError(
      "config.secret",
      `the password of a Java keystore needs at least ${JKS_PASSWORD_CHARS_MIN} characters`,
    );
  }
  await using own = await temporaryDirectory();
  const [source, target] = [join(own.path, "pair.p12"), join(own.path, "pair.jks")];
  const run = (argv: readonly string[], stdin: Secret): Promise<string> =>
    runCommand(
      { argv, stdin, env: { RENEWD_PASSWORD: password.reveal() }, givenKey: true, timeoutMs: TOOL_TIMEOUT_MS },
      signal,
    );
  // The leaf is the certificate that fits the key; the others follow it as its chain.
  const export12 = [
    "openssl",
    "pkcs12",
    "-export",
    "-name",
    pair.certificate,
    "-passout",
    "env:RENEWD_PASSWORD",
    "-out",
    source,
  ];
  await run([...export12, ...(legacy ? ["-legacy"] : [])], new Secret(pem.bundle));
  if (jks) await run(importKeystore(source, target), new Secret(""));
  return { pkcs12: await readFile(source), jks: jks ? await readFile(target) : null };
}

function importKeystore(source: string, target: string): string[] {
  const password = (option: string): string[] => [`-${option}:env`, "RENEWD_PASSWORD"];
  const from = ["-srckeystore", source, "-srcstoretype", "PKCS12", ...password("srcstorepass")];
  const to = [
    "-destkeystore",
    target,
    "-deststoretype",
    "JKS",
    ...password("deststorepass"),
    ...password("destkeypass"),
  ];
  return ["keytool", "-importkeystore", "-noprompt", ...from, ...to];
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
