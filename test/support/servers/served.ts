// What a TLS server shows right now, and what a PEM file holds.
import { createHash, createPrivateKey, X509Certificate } from "node:crypto";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { connect as connectTcp } from "node:net";
import { type ConnectionOptions, connect } from "node:tls";

/** SHA-256 of the leaf one fresh handshake sees, lower-case hex; certificate trust is not what is asked here. */
export function servedFingerprint(port: number, servername: string): Promise<string> {
  return handshake(port, { host: "127.0.0.1", port, servername });
}

/**
 * SSLRequest, PostgreSQL's way to TLS (manual, "SSL Session Encryption"): length 8, code 80877103; the server answers
 * S.
 */
const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]);

/** The same of a PostgreSQL, whose connections begin in clear. */
export async function servedByPostgres(port: number, servername: string): Promise<string> {
  const socket = connectTcp(port, "127.0.0.1");
  try {
    socket.setTimeout(10_000, () => socket.destroy(new Error(`no answer from port ${port} within 10 s`)));
    socket.write(SSL_REQUEST);
    const [answer] = await once(socket, "data");
    if (String(answer) !== "S") throw new Error(`PostgreSQL does not serve TLS: it answered ${answer}`);
    return await handshake(port, { socket, servername });
  } finally {
    socket.destroy();
  }
}

function handshake(port: number, options: ConnectionOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ ...options, rejectUnauthorized: false });
    socket.setTimeout(10_000, () => socket.destroy(new Error(`no handshake with port ${port} within 10 s`)));
    socket.once("error", reject);
    socket.once("secureConnect", () => {
      const leaf = socket.getPeerX509Certificate();
      socket.destroy();
      if (leaf === undefined) reject(new Error("no certificate served"));
      else resolve(fingerprintOf(leaf));
    });
  });
}

/** null: there is no such file. Throws when the files hold no matching pair. Each file is read once, a bundle too. */
export async function storedFingerprint(certificateFile: string, keyFile = certificateFile): Promise<string | null> {
  const certificate = await readIfThere(certificateFile);
  const key = keyFile === certificateFile ? certificate : await readIfThere(keyFile);
  if (certificate === null && key === null) return null;
  if (certificate === null || key === null) throw new Error("only one file of the pair exists");
  const leaf = new X509Certificate(certificate.slice(certificate.indexOf("-----BEGIN CERTIFICATE")));
  if (!leaf.checkPrivateKey(createPrivateKey(key)))
    throw new Error(`${certificateFile} and ${keyFile} are torn: the key does not match`);
  return fingerprintOf(leaf);
}

async function readIfThere(path: string): Promise<string | null> {
  return await readFile(path, "utf8").catch(() => null);
}

/** SHA-256 of the DER, lower-case hex. */
export function fingerprintOf(leaf: X509Certificate): string {
  return createHash("sha256").update(leaf.raw).digest("hex");
}
