import { RenewalError } from "../../domain/errors.ts";

const BLOCK = /^-----BEGIN ([A-Z0-9. ]+)-----[^\S\n]*\n[\s\S]*?^-----END \1-----[^\S\n]*$/gm;

/**
 * The new PEM text, with those blocks of the text in place that are no part of a pair after it: DH parameters, which
 * HAProxy, Apache and nginx read from the certificate's file, a curve, a list of revoked certificates. They are
 * settings of the server, and a renewal must not lose them. Throws `deploy.refused` for a file with several private
 * keys, such as Postfix reads: only one of them can belong to the pair that is replaced.
 */
export function keepForeignBlocks(next: string, held: string, path: string): string {
  const blocks = [...held.replaceAll("\r\n", "\n").matchAll(BLOCK)].map(([text, label = ""]) => ({ text, label }));
  const keys = new Set(blocks.filter(({ label }) => label.endsWith("PRIVATE KEY")).map(({ text }) => text));
  if (keys.size > 1) {
    throw new RenewalError(
      "deploy.refused",
      `${path} holds ${keys.size} private keys, and writing it would lose ${keys.size - 1}: name another file, or move ` +
        "the other keys and their certificates to files of their own",
    );
  }
  const foreign = blocks.filter(({ label }, index) => {
    if (label.endsWith("PRIVATE KEY") || label.includes("CERTIFICATE")) return false;
    // OpenSSL writes a key's curve before the key.
    return !(label === "EC PARAMETERS" && blocks[index + 1]?.label.endsWith("PRIVATE KEY"));
  });
  const lines = foreign.flatMap(({ text }) => text.split("\n").map((line) => line.trim()));
  return next + lines.map((line) => (line === "" ? "" : `${line}\n`)).join("");
}

/** What `keepForeignBlocks` can be asked about. */
export function isPem(content: string | Uint8Array): content is string {
  return typeof content === "string" && content.startsWith("-----BEGIN ");
}
