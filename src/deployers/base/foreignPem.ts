import { RenewalError } from "../../domain/errors.ts";

const BLOCK = /^-----BEGIN ([A-Z0-9. ]+)-----[^\S\n]*\n[\s\S]*?^-----END \1-----[^\S\n]*$/gm;

/** Where a file that is to be written is. */
export interface Place {
  readonly path: string;
  /** renewd wrote here before, so what is no PEM is damage. Otherwise it belongs to somebody. */
  readonly isOwn: boolean;
}

/** Formats of other programs: no TLS server reads them, so no pair that may be replaced has them. */
const FOREIGN_KEY = /^(?:OPENSSH|SSH2|PGP) /;

/**
 * The new PEM text, with those blocks of the text in place that are no part of a pair after it: DH parameters, which
 * HAProxy, Apache and nginx read from the certificate's file, a curve, a list of revoked certificates. They are
 * settings of the server, and a renewal must not lose them. Throws `deploy.refused` for a file with several private
 * keys, such as Postfix reads: only one of them can belong to the pair that is replaced; and where renewd never wrote,
 * for a file without any PEM or with the key of another kind of program.
 */
export function keepForeignBlocks(next: string, held: string, { path, isOwn }: Place): string {
  const blocks = readableBlocks(held, { path, isOwn });
  const foreign = blocks.filter(({ label }, index) => {
    if (isOfPair(label)) return false;
    // OpenSSL writes a key's curve before the key.
    return !(label === "EC PARAMETERS" && blocks[index + 1]?.label.endsWith("PRIVATE KEY"));
  });
  const lines = foreign.flatMap(({ text }) => text.split("\n").map((line) => line.trim()));
  return next + lines.map((line) => (line === "" ? "" : `${line}\n`)).join("");
}

interface Block {
  readonly text: string;
  readonly label: string;
}

/** The PEM blocks of a file that may be replaced. Throws what `keepForeignBlocks` throws. */
export function readableBlocks(held: string, { path, isOwn }: Place): readonly Block[] {
  const blocks = [...held.replaceAll("\r\n", "\n").matchAll(BLOCK)].map(([text, label = ""]) => ({ text, label }));
  const keys = new Set(blocks.filter(({ label }) => label.endsWith("PRIVATE KEY")).map(({ text }) => text));
  if (keys.size > 1) {
    throw new RenewalError(
      "deploy.refused",
      `${path} holds ${keys.size} private keys, and writing it would lose ${keys.size - 1}: name another file, or move ` +
        "the other keys and their certificates to files of their own",
    );
  }
  const isPairless = blocks.length === 0 || blocks.some(({ label }) => FOREIGN_KEY.test(label));
  if (!isOwn && held.trim() !== "" && isPairless) throw notOurs(path);
  return blocks;
}

/** Throws what `keepForeignBlocks` throws for a file that is too long to be a pair. */
export function refuseTooLong({ path, isOwn }: Place): void {
  if (!isOwn) throw notOurs(path);
}

function isOfPair(label: string): boolean {
  if (label.endsWith("PRIVATE KEY")) return !FOREIGN_KEY.test(label);
  return /^(?:X509 |TRUSTED )?CERTIFICATE$/.test(label);
}

function notOurs(path: string): RenewalError {
  return new RenewalError(
    "deploy.refused",
    `${path} was not written by renewd and holds no certificate, key or setting in PEM, so it stays: ` +
      "name another file, or move it away",
  );
}

/** What `keepForeignBlocks` can be asked about. */
export function isPem(content: string | Uint8Array): content is string {
  return typeof content === "string" && content.startsWith("-----BEGIN ");
}
