// Certificate signing requests as people make them: by openssl.
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { isIP } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { KeyType } from "../../../src/domain/certificate.ts";
import { newKeyPem } from "./pki.ts";

export interface OwnCsrOptions {
  /**
   * Subject alternative names, DNS names and IP addresses; others as openssl writes them, such as `email:a@b.example`.
   */
  readonly names: readonly string[];
  readonly commonName?: string;
  readonly keyType?: KeyType;
  /** Any key in PEM, in place of a fresh one. */
  readonly keyPem?: string;
  readonly mustStaple?: boolean;
  readonly digest?: string;
}

export interface MadeCsr {
  readonly pem: string;
  readonly der: Buffer;
  readonly keyPem: string;
}

export async function makeCsr({
  names,
  commonName,
  keyType = "ecdsa-p256",
  keyPem = newKeyPem(keyType),
  mustStaple,
  digest,
}: OwnCsrOptions): Promise<MadeCsr> {
  const directory = await mkdtemp(join(tmpdir(), "renewd-csr-"));
  try {
    const [keyFile, csrFile] = [join(directory, "www.key"), join(directory, "www.csr")];
    await writeFile(keyFile, keyPem);
    const written = names.map((name) =>
      name.includes(":") && isIP(name) === 0 ? name : `${isIP(name) === 0 ? "DNS" : "IP"}:${name}`,
    );
    const extensions = [
      ...(written.length > 0 ? ["-addext", `subjectAltName=${written.join(",")}`] : []),
      ...(mustStaple ? ["-addext", "tlsfeature=status_request"] : []),
    ];
    const subject = commonName === undefined ? "/O=Example" : `/O=Example/CN=${commonName}`;
    const hash = digest === undefined ? [] : [`-${digest}`];
    await openssl("req", "-new", "-key", keyFile, "-subj", subject, ...extensions, ...hash, "-out", csrFile);
    const pem = await readFile(csrFile, "utf8");
    await openssl("req", "-in", csrFile, "-outform", "DER", "-out", join(directory, "www.der"));
    return { pem, der: await readFile(join(directory, "www.der")), keyPem };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function openssl(...args: string[]): Promise<void> {
  await promisify(execFile)("openssl", args);
}
