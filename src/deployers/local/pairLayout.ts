import type { z } from "zod";
import type { PairPem } from "../base/pairPem.ts";
import { absolutePath, resolveTargetPath, rootOf } from "../base/targetPath.ts";

/** Where a server reads its pair: two files, or one for both. */
export interface PairLayout {
  readonly fullchain?: string | undefined;
  readonly privkey?: string | undefined;
  readonly bundle?: string | undefined;
}

/** What the server's configuration calls the two. */
interface Settings {
  readonly certificate: string;
  readonly key: string;
}

/** Options for a strict object; `oneLayout` refines it. */
export function layoutOptions({ certificate, key }: Settings) {
  return {
    fullchain: absolutePath
      .optional()
      .describe(`File that \`${certificate}\` names. \`{certificate}\` stands for the certificate's name.`),
    privkey: absolutePath.optional().describe(`File that \`${key}\` names.`),
    bundle: absolutePath
      .optional()
      .describe(
        `One file that both \`${certificate}\` and \`${key}\` name, in place of the two above: a single rename swaps ` +
          "key and certificate together.",
      ),
  };
}

/** For `superRefine`. */
export function oneLayout({ fullchain, privkey, bundle }: PairLayout, context: z.RefinementCtx): void {
  const two = fullchain !== undefined && privkey !== undefined;
  const none = fullchain === undefined && privkey === undefined;
  if (bundle === undefined ? !two : !none)
    context.addIssue({ code: "custom", message: "give either `fullchain` and `privkey`, or `bundle`" });
  else if (two && fullchain === privkey)
    context.addIssue({ code: "custom", message: "`fullchain` and `privkey` are the same file: use `bundle`" });
}

export interface Place {
  readonly kind: keyof PairPem & keyof PairLayout;
  readonly path: string;
  /** The directory that contains every file of this option. */
  readonly root: string;
}

/** In the order of the swap: the key first, so that a watcher of the certificate file finds the key in place. */
const ORDER = ["privkey", "fullchain", "bundle"] as const satisfies readonly Place["kind"][];

export function placesOf(options: PairLayout, certificate: string): Place[] {
  return ORDER.flatMap((kind) => {
    const pattern = options[kind];
    return pattern === undefined
      ? []
      : [{ kind, path: resolveTargetPath(pattern, certificate), root: rootOf(pattern) }];
  });
}
