import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RenewalError } from "../../domain/errors.ts";
import { Secret } from "../../domain/secret.ts";
import type { IssuedCertificate } from "../../domain/version.ts";
import { fileError } from "../base/fileError.ts";
import type { PairPem } from "../base/pairPem.ts";
import { checkCommand, runCommand } from "../local/command.ts";

/** A JVM on a busy machine takes its time. */
const TOOL_TIMEOUT_MS = 60_000;

/** Debian's package of each tool. */
const PACKAGES = { openssl: "openssl", keytool: "default-jre-headless" } as const;

/** keytool takes no shorter one, and says so only in its own words. */
const JKS_PASSWORD_CHARS_MIN = 6;

export interface KeystoreOptions {
  readonly password: Secret;
  /** RC2, 3DES and SHA-1, for readers that know nothing newer. */
  readonly legacy: boolean;
}

/** What a pair looks like as a PKCS#12 file (RFC 7292) and as a Java keystore. */
export interface Keystores {
  readonly pkcs12: Uint8Array;
  /** null: not asked for. */
  readonly jks: Uint8Array | null;
}

/**
 * Has OpenSSL make the PKCS#12 file and, if wanted, keytool the Java keystore from it. Both have the certificate's name as
 * alias and the password for store and key alike. The private key goes to OpenSSL through a pipe; what lies on disk
 * meanwhile, in a directory of our own, is encrypted by the password already. Their salts differ from run to run.
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
      { argv, stdin, env: { RENEWD_PASSWORD: password.reveal() }, secret: password, timeoutMs: TOOL_TIMEOUT_MS },
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

/** Throws `deploy.commandFailed` with the line that installs what is missing. */
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
