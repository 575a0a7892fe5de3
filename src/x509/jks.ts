import type { StoreContents } from "./pkcs12.ts";

const JKS = 0xfeedfeed;
const JCEKS = 0xcececece;
const CERTIFICATES_MAX = 1_000;

/** Whether a file begins as a Java key store does. */
export function isJks(bytes: Uint8Array): boolean {
  const magic = bytes.length < 12 ? 0 : Buffer.from(bytes.buffer, bytes.byteOffset, 4).readUInt32BE();
  return magic === JKS || magic === JCEKS;
}

/**
 * Certificates of a Java key store of the older formats, JKS and JCEKS (as sun.security.provider.JavaKeyStore writes
 * them): they are not encrypted. Keys are skipped. Newer key stores are PKCS#12.
 */
export function readJks(bytes: Uint8Array): StoreContents {
  const certificates: Uint8Array[] = [];
  try {
    const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    let at = 8;
    const number = (): number => {
      at += 4;
      return file.readUInt32BE(at - 4);
    };
    const block = (length: number): Uint8Array => {
      if (length > file.length - at) throw new RangeError("it ends in the middle of an entry");
      at += length;
      return file.subarray(at - length, at);
    };
    const text = (): void => {
      at += 2;
      block(file.readUInt16BE(at - 2));
    };
    const certificate = (): void => {
      text();
      certificates.push(block(number()));
    };
    for (let left = number(); left > 0; left--) {
      const tag = number();
      text();
      at += 8;
      if (tag === 1) {
        block(number());
        for (let chain = number(); chain > 0 && certificates.length < CERTIFICATES_MAX; chain--) certificate();
      } else if (tag === 2) certificate();
      // A secret key of JCEKS is a serialized object, whose length nothing says.
      else return { certificates, trouble: "unknown" };
      if (certificates.length >= CERTIFICATES_MAX) break;
    }
    return { certificates, trouble: null };
  } catch {
    return { certificates, trouble: "damaged" };
  }
}
