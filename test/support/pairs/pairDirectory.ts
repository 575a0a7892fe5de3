// The pair a server starts with, in each layout that deployers write.
import { chown, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { IssuedPair } from "../ca/pki.ts";

export type Layout = "pair" | "bundle";

export interface SystemUser {
  readonly uid: number;
  readonly gid: number;
}

/** Writes `fullchain.pem`, `privkey.pem` and `bundle.pem`; `owner` may write the directory, too. */
export async function writePair(directory: string, { certPem, keyPem }: IssuedPair, owner?: SystemUser): Promise<void> {
  await mkdir(directory, { recursive: true });
  const files = { "fullchain.pem": certPem, "privkey.pem": keyPem, "bundle.pem": keyPem + certPem };
  for (const [name, content] of Object.entries(files)) {
    await writeFile(join(directory, name), content, { mode: name === "fullchain.pem" ? 0o644 : 0o600 });
    if (owner !== undefined) await chown(join(directory, name), owner.uid, owner.gid);
  }
}

/** Certificate and key as the options of a deployer, and of `storedFingerprint`, name them. */
export function pairPaths(
  directory: string,
  layout: Layout,
): { readonly options: Readonly<Record<string, string>>; readonly files: readonly [string, string] } {
  const at = (name: string): string => join(directory, name);
  if (layout === "bundle")
    return { options: { bundle: at("bundle.pem") }, files: [at("bundle.pem"), at("bundle.pem")] };
  return {
    options: { fullchain: at("fullchain.pem"), privkey: at("privkey.pem") },
    files: [at("fullchain.pem"), at("privkey.pem")],
  };
}
