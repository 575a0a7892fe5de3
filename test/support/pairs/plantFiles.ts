// Changes the files of a pair behind renewd's back.
import { rm, writeFile } from "node:fs/promises";
import type { IssuedPair } from "../ca/pki.ts";

/** null: they are removed. */
export type Planted = IssuedPair | null;

export async function plantFiles(planted: Planted, certificateFile: string, keyFile = certificateFile): Promise<void> {
  if (planted === null) {
    await rm(certificateFile, { force: true });
    await rm(keyFile, { force: true });
    return;
  }
  const { certPem, keyPem } = planted;
  if (keyFile === certificateFile) return await writeFile(certificateFile, keyPem + certPem);
  await writeFile(certificateFile, certPem);
  await writeFile(keyFile, keyPem);
}
