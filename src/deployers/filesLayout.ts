import { join } from "node:path";
import { resolveTargetPath, rootOf } from "./targetPath.ts";

/** In the order they are swapped: the key first, so that whoever watches a certificate file finds its key already there. */
export const LAYOUT = ["privkey", "chain", "cert", "fullchain", "bundle", "pkcs12", "jks"] as const;
export type Kind = (typeof LAYOUT)[number];

const WITHOUT_KEY: ReadonlySet<Kind> = new Set(["chain", "cert", "fullchain"]);

/** The path of each kind of file, relative to `directory` if there is one. */
export type LayoutOptions = { readonly directory?: string | undefined } & { readonly [kind in Kind]?: string | undefined };

export interface Place {
  readonly kind: Kind;
  readonly path: string;
  readonly root: string;
  /** Holds the private key. */
  readonly secret: boolean;
}

export function places(made: LayoutOptions, certificate: string): Place[] {
  return patterns(made).map(({ kind, pattern }) => ({
    kind,
    path: resolveTargetPath(pattern, certificate),
    root: rootOf(made.directory === undefined ? pattern : `${made.directory}/x`),
    secret: !WITHOUT_KEY.has(kind),
  }));
}

export function patterns(made: LayoutOptions): { readonly kind: Kind; readonly pattern: string }[] {
  return LAYOUT.flatMap((kind) => {
    const path = made[kind];
    if (path === undefined) return [];
    return [{ kind, pattern: made.directory === undefined ? path : join(made.directory, path) }];
  });
}
