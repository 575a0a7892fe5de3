import { hash } from "node:crypto";

/** One file of a configuration. */
export interface SourceFile {
  /** As the configuration names it; empty: the configuration file itself. */
  readonly path: string;
  readonly digest: string;
}

export function textDigest(text: string | Uint8Array): string {
  return hash("sha256", text, "hex");
}

/** Of everything a configuration says: its files, and the revision of the definitions in the database. */
export function sourceDigest(files: readonly SourceFile[], revision: number): string {
  const said = [...files.map(({ path, digest }) => [path, digest]), revision];
  return textDigest(JSON.stringify(said));
}
