import { join } from "node:path";
import type { z } from "zod";
import { relativePath, resolveTargetPath, rootOf } from "../base/targetPath.ts";
import type { FileToWrite } from "./atomicFiles.ts";
import type { PairPaths } from "./inspectFiles.ts";
import { type Ownership, ownedFile } from "./owner.ts";

/** In the order of the swap: the key first, so that a watcher of the certificate file finds the key in place. */
export const PEM_LAYOUT = ["privkey", "chain", "cert", "fullchain", "bundle"] as const;
export const LAYOUT = [...PEM_LAYOUT, "pkcs12", "jks"] as const;
export type Kind = (typeof LAYOUT)[number];

const WITHOUT_KEY: ReadonlySet<Kind> = new Set(["chain", "cert", "fullchain"]);

/** Options for the PEM layouts, for a strict object. */
export const pemLayoutOptions = {
  directory: relativePath
    .refine((path) => path.startsWith("/"), "must be absolute")
    .optional()
    .describe("Absolute directory the paths below are relative to. It must exist, up to the first `{certificate}`."),
  fullchain: relativePath
    .optional()
    .describe("File for the certificate followed by its chain. `{certificate}` stands for the certificate's name."),
  privkey: relativePath.optional().describe("File for the private key (PKCS#8)."),
  chain: relativePath.optional().describe("File for the chain without the certificate."),
  cert: relativePath.optional().describe("File for the certificate alone."),
  bundle: relativePath
    .optional()
    .describe("File for key, certificate and chain together. The only PEM layout no reader can ever see torn."),
};

/** Adds the rules between the options of a layout to the object that contains them and has these kinds of file. */
export function checkedLayout<Options extends z.ZodType<LayoutOptions>>(
  object: Options,
  kinds: readonly Kind[],
): Options {
  return object
    .refine((o) => patterns(o).length > 0, { message: `name at least one of ${kinds.join(", ")}` })
    .refine((o) => o.directory !== undefined || patterns(o).every(({ pattern }) => pattern.startsWith("/")), {
      message: "paths must be absolute unless `directory` is given",
    })
    .refine((o) => new Set(patterns(o).map(({ pattern }) => pattern)).size === patterns(o).length, {
      message: "two of the paths are the same file",
    });
}

/** The path of each kind of file, relative to `directory` if there is one. */
export type LayoutOptions = { readonly directory?: string | undefined } & {
  readonly [kind in Kind]?: string | undefined;
};

export interface Place {
  readonly kind: Kind;
  readonly path: string;
  readonly root: string;
  /** Holds the private key. */
  readonly secret: boolean;
}

export function places(options: LayoutOptions, certificate: string): Place[] {
  return patterns(options).map(({ kind, pattern }) => ({
    kind,
    path: resolveTargetPath(pattern, certificate),
    root: rootOf(options.directory === undefined ? pattern : `${options.directory}/x`),
    secret: !WITHOUT_KEY.has(kind),
  }));
}

/** Where they are, and nothing else: asked of each certificate of a large fleet. */
export function pathsOf(options: LayoutOptions, certificate: string): string[] {
  return patterns(options).map(({ pattern }) => resolveTargetPath(pattern, certificate));
}

/** The PEM files whose pair can be inspected. A key alone says nothing. */
export function pairPaths(options: LayoutOptions, certificate: string): PairPaths[] {
  const paths = new Map(places(options, certificate).map(({ kind, path }) => [kind, path]));
  return (["fullchain", "cert", "bundle"] as const).flatMap((kind) => {
    const path = paths.get(kind);
    const key = kind === "bundle" ? path : (paths.get("privkey") ?? paths.get("bundle"));
    const chain = kind === "cert" ? (paths.get("chain") ?? null) : undefined;
    return path === undefined ? [] : [{ certificate: path, key, chain }];
  });
}

/** The files in the order of the swap. */
export function layoutFiles(
  options: LayoutOptions,
  certificate: string,
  contents: Readonly<Partial<Record<Kind, FileToWrite["content"]>>>,
  ownership: Ownership,
): [FileToWrite, ...FileToWrite[]] {
  const [first, ...rest] = places(options, certificate).map(({ kind, path, root, secret }): FileToWrite => {
    const content = contents[kind];
    if (content === undefined) throw new TypeError(`nothing to write as ${kind}`);
    return ownedFile({ path, root, secret, content }, ownership);
  });
  if (first === undefined) throw new TypeError("the options name no file");
  return [first, ...rest];
}

interface Pattern {
  readonly kind: Kind;
  readonly pattern: string;
}

/** Very many certificates may have one target. */
const PATTERNS = new WeakMap<LayoutOptions, readonly Pattern[]>();

function patterns(options: LayoutOptions): readonly Pattern[] {
  const known = PATTERNS.get(options) ?? patternsOf(options);
  PATTERNS.set(options, known);
  return known;
}

function patternsOf(options: LayoutOptions): Pattern[] {
  return LAYOUT.flatMap((kind) => {
    const path = options[kind];
    if (path === undefined) return [];
    return [{ kind, pattern: options.directory === undefined ? path : join(options.directory, path) }];
  });
}
