import { glob } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { type ParsedDocument, parseYaml } from "./document.ts";
import type { Positions } from "./positions.ts";
import { type ConfigProblem, Problems } from "./problems.ts";
import { CONFIG_BYTES_MAX, readText } from "./readFile.ts";
import { quote } from "./suggestions.ts";

const FILES_MAX = 10_000;
/** Of all included files together. */
const TEXT_CHARACTERS_MAX = 4 * CONFIG_BYTES_MAX;
const PATTERN = /[*?[\]{}]/;

type Data = Readonly<Record<string, unknown>>;

/**
 * The document with the certificates of the files that its `include` names, in the order of their paths. What is wrong
 * with `include` itself is left to its schema.
 */
export async function withIncluded(
  main: ParsedDocument,
  file: string,
  directory: string,
): Promise<ParsedDocument | { readonly problems: readonly ConfigProblem[] }> {
  const data = asMapping(main.data) ?? {};
  const patterns = Array.isArray(data.include) ? data.include.filter((each) => typeof each === "string") : [];
  if (patterns.length === 0) return main;
  const problems = new Problems(main.places);
  const paths = await pathsOf(patterns, { directory, main: resolve(directory, file) }, problems);
  if (problems.any) return { problems: problems.list() };
  const read = await readAll(paths, { file, directory });
  return "problems" in read ? read : merged(main, read.documents);
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

async function readAll(
  paths: readonly string[],
  { file, directory }: { readonly file: string; readonly directory: string },
): Promise<{ readonly documents: readonly ParsedDocument[] } | { readonly problems: readonly ConfigProblem[] }> {
  const documents: ParsedDocument[] = [];
  const problems: ConfigProblem[] = [];
  let characters = 0;
  for (const path of paths) {
    // As people wrote the configuration's own path.
    const shown = path.startsWith("/") ? path : join(dirname(file), path);
    const fail = (message: string): void => void problems.push({ file: shown, line: 0, column: 0, message });
    const source = await readText(resolve(directory, path), "the included file", CONFIG_BYTES_MAX);
    if ("problem" in source) {
      fail(source.problem);
      continue;
    }
    characters += source.text.length;
    if (characters > TEXT_CHARACTERS_MAX) {
      fail(`with this file more than ${TEXT_CHARACTERS_MAX} characters are included`);
      break;
    }
    const document = parseYaml(shown, source.text, "certificates:");
    if ("problems" in document) problems.push(...document.problems);
    else documents.push(document);
  }
  return problems.length > 0 ? { problems } : { documents };
}

function merged(
  main: ParsedDocument,
  documents: readonly ParsedDocument[],
): ParsedDocument | { readonly problems: readonly ConfigProblem[] } {
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
      const { file, line } = owners.get(name)?.of(["certificates", name], "key") ?? { file: null, line: 0 };
      if (file !== null)
        problems.add(["certificates", name], `${quote(name)} is defined in ${file}:${line} already: rename one`, "key");
      else {
        owners.set(name, places);
        certificates[name] = value;
      }
    }
    wrong.push(...problems.list());
  }
  if (wrong.length > 0) return { problems: wrong };
  const isWrong = own === null && data.certificates !== undefined && data.certificates !== null;
  return {
    data: isWrong ? data : { ...data, certificates },
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

function asMapping(value: unknown): Data | null {
  // Boundary: data of a document, whose mappings are plain objects.
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Data) : null;
}
