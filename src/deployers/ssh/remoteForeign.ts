import type { Stats } from "ssh2";
import { isPem, keepForeignBlocks, type Place, refuseUnreadable } from "../base/foreignPem.ts";
import type { FileToWrite } from "../local/atomicFiles.ts";

interface InPlace {
  /** null: there is no file. */
  readonly existing: Stats | null;
  /** null: there is none that can be read. */
  readonly held: string | null;
}

/** The content to write, with what the file in place holds beside its pair. Throws what must not be overwritten. */
export function contentBeside(file: FileToWrite, { existing, held }: InPlace): string | Uint8Array {
  const { path, content, isOwn = true, adopt, certificates } = file;
  if (!isPem(content)) return content;
  const place = { path, isOwn, adopt, written: certificates };
  if (held !== null) return keepForeignBlocks(content, held, place);
  refuseHidden(existing, place);
  return content;
}

/** Throws for a file that the login's user cannot read, unless its owner cannot either: then only its mode is wrong. */
export function refuseHidden(existing: Stats | null, place: Place): void {
  if (existing === null || (existing.mode & 0o400) === 0) return;
  refuseUnreadable(place);
}
