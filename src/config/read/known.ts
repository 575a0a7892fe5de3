import type { Certificate } from "../../domain/certificate.ts";
import type { Definition } from "./definitions.ts";
import type { ParsedDocument } from "./document.ts";

/** What a process has read and checked before: the next load costs what changed since. */
export interface Known {
  /** By file. */
  readonly documents: Map<string, { readonly text: string; readonly document: ParsedDocument }>;
  /** Of the database, by name. */
  readonly stored: Map<string, { readonly text: string; readonly definition: Definition }>;
  /** By the certificate as written: what became of it where every check had passed. */
  readonly certificates: WeakMap<object, KnownCertificate>;
}

export interface KnownCertificate {
  /** Digest of all else that decides what a certificate is: as long as it is the same, so is the certificate. */
  readonly context: string;
  readonly certificate: Certificate;
}

export function nothingKnown(): Known {
  return { documents: new Map(), stored: new Map(), certificates: new WeakMap() };
}

/** Reads it unless the file has the same text as before. One with mistakes is read again each time. */
export function readKnown<Wrong extends object>(
  { documents }: Pick<Known, "documents">,
  { file, text }: { readonly file: string; readonly text: string },
  read: () => ParsedDocument | Wrong,
): ParsedDocument | Wrong {
  const known = documents.get(file);
  if (known?.text === text) return known.document;
  const document = read();
  if ("places" in document) documents.set(file, { text, document });
  else documents.delete(file);
  return document;
}

/** Forgets files that are not read any more. */
export function keepOnly({ documents }: Pick<Known, "documents">, files: ReadonlySet<string>): void {
  for (const file of documents.keys()) if (!files.has(file)) documents.delete(file);
}

/** The definitions of the database; those that are as before are the same objects as before. */
export function reused<Of extends { readonly name: string; readonly definition: Definition }>(
  { stored }: Pick<Known, "stored">,
  definitions: readonly Of[],
): readonly Of[] {
  const before = new Map(stored);
  stored.clear();
  return definitions.map((each) => {
    const text = JSON.stringify(each.definition);
    const known = before.get(each.name);
    const same = known?.text === text ? known : { text, definition: each.definition };
    stored.set(each.name, same);
    return { ...each, definition: same.definition };
  });
}
