import { glob } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { type ParsedDocument, parseYaml } from "./document.ts";
import { type Known, readKnown } from "./known.ts";
import type { Positions } from "./positions.ts";
import { type ConfigProblem, Problems } from "./problems.ts";
import { CONFIG_BYTES_MAX, readBytes, readText } from "./readFile.ts";
import { type SourceFile, textDigest } from "./source.ts";
import { DATABASE } from "./stored.ts";
import { quote } from "./suggestions.ts";

const FILES_MAX = 10_000;
/** Of all included files together. */
const TEXT_CHARACTERS_MAX = 4 * CONFIG_BYTES_MAX;
const PATTERN = /[*?[\]{}]/;

type Data = Readonly<Record<string, unknown>>;

export type Documents =
  | { readonly documents: readonly ParsedDocument[]; readonly files: readonly SourceFile[] }
  | { readonly problems: readonly ConfigProblem[] };

/** A configuration with the certificates of all its documents. */
export interface MergedDocument extends ParsedDocument {
  /** Of the merging itself: the first of two certificates with one name is kept. */
  readonly problems: readonly ConfigProblem[];
  /** The document that defines a certificate, as people know it. */
  readonly definedIn: (certificate: string) => string;
}

/** The files that `include` names, in the order of their paths. What is wrong with `include` is left to its schema. */
export async function includedDocuments(
  main: ParsedDocument,
  { file, directory }: { readonly file: string; readonly directory: string },
  known: Pick<Known, "documents">,
): Promise<Documents> {
  const patterns = patternsOf(main);
  if (patterns.length === 0) return { documents: [], files: [] };
  const problems = new Problems(main.places);
  const paths = await pathsOf(patterns, { directory, main: resolve(directory, file) }, problems);
  if (problems.any) return { problems: problems.list() };
  const found = await readAll(paths, { file, directory }, known);
  return "problems" in found ? { problems: found.problems.map((each) => named(each, main, patterns)) } : found;
}

/** What cannot be read and is named by its path is said where it is named. */
function named(found: FoundProblem, main: ParsedDocument, patterns: readonly string[]): ConfigProblem {
  const { unread, ...problem } = found;
  const index = patterns.indexOf(unread ?? "");
  if (index < 0) return problem;
  const problems = new Problems(main.places);
  problems.add(["include", index], problem.message);
  return problems.list()[0] ?? problem;
}

/** The same files as they are now, none of them parsed. null: they cannot be read. */
export async function includedFiles(
  main: ParsedDocument,
  { file, directory }: { readonly file: string; readonly directory: string },
): Promise<readonly SourceFile[] | null> {
  const problems = new Problems(main.places);
  const paths = await pathsOf(patternsOf(main), { directory, main: resolve(directory, file) }, problems);
  const files: SourceFile[] = [];
  for (const path of paths) {
    const found = await readBytes(resolve(directory, path), "the included file", CONFIG_BYTES_MAX);
    if ("problem" in found) return null;
    files.push({ path, digest: textDigest(found.bytes) });
  }
  return problems.any ? null : files;
}

function patternsOf(main: ParsedDocument): readonly string[] {
  const { include } = asMapping(main.data) ?? {};
  return Array.isArray(include) ? include.filter((each) => typeof each === "string") : [];
}

/** Relative to the directory, each once. */
async function pathsOf(
  patterns: readonly string[],
  { directory, main }: { readonly directory: string; readonly main: string },
  problems: Problems,
): Promise<readonly string[]> {
  const found = new Set<string>();
  for (const [index, pattern] of patterns.entries()) {
    if (!PATTERN.test(pattern)) found.add(pattern);
    else for await (const path of glob(pattern, { cwd: directory })) if (found.size <= FILES_MAX) found.add(path);
    if (found.size > FILES_MAX) {
      problems.add(["include", index], `names more than ${FILES_MAX} files: write certificates together`);
      return [];
    }
  }
  return [...found].filter((path) => resolve(directory, path) !== main).sort();
}

/** `unread`: the path of a file that cannot be read. */
type FoundProblem = ConfigProblem & { readonly unread?: string };
type Found = Exclude<Documents, { readonly problems: unknown }> | { readonly problems: readonly FoundProblem[] };

async function readAll(
  paths: readonly string[],
  { file, directory }: { readonly file: string; readonly directory: string },
  known: Pick<Known, "documents">,
): Promise<Found> {
  const documents: ParsedDocument[] = [];
  const files: SourceFile[] = [];
  const problems: FoundProblem[] = [];
  let characters = 0;
  for (const path of paths) {
    // As people wrote the configuration's own path.
    const shown = path.startsWith("/") ? path : join(dirname(file), path);
    const fail = (message: string, unread?: string): void =>
      void problems.push({ file: shown, line: 0, column: 0, message, ...(unread !== undefined && { unread }) });
    const source = await readText(resolve(directory, path), "the included file", CONFIG_BYTES_MAX);
    if ("problem" in source) {
      fail(source.problem, path);
      continue;
    }
    characters += source.text.length;
    if (characters > TEXT_CHARACTERS_MAX) {
      fail(`with this file more than ${TEXT_CHARACTERS_MAX} characters are included`);
      break;
    }
    const { text } = source;
    files.push({ path, digest: textDigest(text) });
    const document = readKnown(known, { file: shown, text }, () => parseYaml(shown, text, "certificates:"));
    if ("problems" in document) problems.push(...document.problems);
    else documents.push(document);
  }
  return problems.length > 0 ? { problems } : { documents, files };
}

/** `documents` hold certificates only; each name may be in one document. */
export function merged(main: ParsedDocument, documents: readonly ParsedDocument[]): MergedDocument {
  const data = asMapping(main.data) ?? {};
  const own = asMapping(data.certificates);
  const owners = new Map<string, Positions>(Object.keys(own ?? {}).map((name) => [name, main.places]));
  const certificates: Record<string, unknown> = { ...own };
  const wrong: ConfigProblem[] = [];
  for (const { data: included, places } of documents) {
    const problems = new Problems(places);
    const { certificates: added, ...others } = asMapping(included) ?? {};
    for (const key of Object.keys(others))
      problems.add([key], "only `certificates` can be included: write this in the configuration file itself", "key");
    if (asMapping(added) === null && added !== null && added !== undefined)
      problems.add(["certificates"], "must hold certificates by name");
    for (const [name, value] of Object.entries(asMapping(added) ?? {})) {
      const owner = owners.get(name);
      // As in a file. Assigned below it would be no certificate, and no check would see it.
      if (name === "__proto__") problems.add(["certificates", name], "this key is not allowed", "key");
      else if (owner !== undefined)
        problems.add(["certificates", name], () => alreadyDefined(name, owner, isStored(places)), "key");
      else {
        owners.set(name, places);
        certificates[name] = value;
      }
    }
    wrong.push(...problems.list());
  }
  const isWrong = own === null && data.certificates !== undefined && data.certificates !== null;
  return {
    data: isWrong || documents.length === 0 ? data : { ...data, certificates },
    problems: wrong,
    definedIn: (name) => (owners.get(name) ?? main.places).files[0] ?? "",
    places: {
      files: [main, ...documents].flatMap(({ places }) => places.files),
      of: (path, at) => {
        const owner = path[0] === "certificates" ? owners.get(String(path[1])) : undefined;
        return (owner ?? main.places).of(path, at);
      },
      ofNode: main.places.ofNode,
    },
  };
}

function isStored({ files }: Positions): boolean {
  return files[0] === DATABASE;
}

function alreadyDefined(name: string, owner: Positions, isAnotherStored: boolean): string {
  const { file, line } = owner.of(["certificates", name], "key");
  if (isStored(owner)) return `${quote(name)} is defined in the database already: rename one`;
  const cure = isAnotherStored ? `rename it there, or \`renewd certificates remove ${name}\`` : "rename one";
  return `${quote(name)} is defined in ${file}:${line} already: ${cure}`;
}

function asMapping(value: unknown): Data | null {
  // Boundary: data of a document, whose mappings are plain objects.
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Data) : null;
}
