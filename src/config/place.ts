import { dirname, resolve } from "node:path";
import { isMap, isNode, isScalar, parseDocument } from "yaml";
import { type Raw, section } from "./check/sections.ts";
import type { Config } from "./config.ts";
import { aliasTooMany, parseYaml } from "./read/document.ts";
import { type Environment, processEnvironment } from "./read/environment.ts";
import { createResources, type SecretsNeeded } from "./read/files.ts";
import { includedFiles } from "./read/include.ts";
import { type Known, readKnown } from "./read/known.ts";
import { Problems } from "./read/problems.ts";
import { CONFIG_BYTES_MAX, readText } from "./read/readFile.ts";
import { sourceDigest, textDigest } from "./read/source.ts";
import { resolveMasterKey, resolveStore } from "./resolve.ts";

/** Where an installation keeps what people ask about. */
export type Place = Pick<Config, "file" | "dataDir" | "store" | "masterKey">;

/**
 * The place of the database in a file that is wrong elsewhere: a typing mistake must not hide what is going on. Null:
 * the file cannot be read, or what it says of the database is wrong too.
 */
export async function findPlace(name: string): Promise<Place | null> {
  const file = resolve(name);
  const source = await readText(file, "the configuration file", CONFIG_BYTES_MAX);
  if ("problem" in source) return null;
  return placeOf(file, understood(source.text), processEnvironment, "optional");
}

/** What a configuration is read from. */
export interface Source {
  readonly place: Place;
  /** As `sourceDigest` of a configuration that was loaded from the same. */
  digest(revision: number): string;
}

/**
 * Reads the files without checking them: of what they include nothing is parsed. null: a mistake was found all the same.
 */
export async function readSource(name: string, known: Known): Promise<Source | null> {
  const file = resolve(name);
  const source = await readText(file, "the configuration file", CONFIG_BYTES_MAX);
  if ("problem" in source) return null;
  const { text } = source;
  const main = readKnown(known, { file: name, text }, () => parseYaml(name, text));
  if ("problems" in main) return null;
  const included = await includedFiles(main, { file: name, directory: dirname(file) });
  const place = await placeOf(file, main.data as Raw, processEnvironment, "optional"); // parseYaml gives a mapping.
  if (included === null || place === null) return null;
  const files = [{ path: "", digest: textDigest(text) }, ...included];
  return { place, digest: (revision) => sourceDigest(files, revision) };
}

/** Null: what the file says of it is wrong. `file` is absolute. */
export async function placeOf(
  file: string,
  raw: Raw,
  environment: Environment,
  secrets: SecretsNeeded,
): Promise<Place | null> {
  const nowhere = { file, line: 0, column: 0 };
  const problems = new Problems({ files: [file], of: () => nowhere, ofNode: () => nowhere });
  const resources = createResources(dirname(file), environment, problems, secrets);
  const dataDir = resources.absolute(section("dataDir", raw, problems) ?? ".");
  const storeSection = section("store", raw, problems);
  const masterKey = await resolveMasterKey(section("masterKey", raw, problems), dataDir, resources);
  const store = storeSection && (await resolveStore(storeSection, dataDir, resources));
  return store === undefined || masterKey === undefined ? null : { file, dataDir, store, masterKey };
}

/** As much as the parser makes of it; a line of its own at the left edge says where the data is in any case. */
function understood(text: string): Raw {
  const dataDir = /^dataDir:[ \t]*["']?([^"'#\r\n]+?)["']?[ \t]*(?:#.*)?$/m.exec(text)?.[1];
  const found = parsed(text);
  return dataDir === undefined || "dataDir" in found ? found : { ...found, dataDir };
}

/**
 * What says where the data is. The rest is not evaluated: nested keys, for one, take time that grows with their square.
 */
const NEEDED = ["dataDir", "store", "masterKey"];

function parsed(text: string): Raw {
  if (aliasTooMany(text) !== null) return {};
  try {
    const document = parseDocument(text, { prettyErrors: false, uniqueKeys: false, strict: false, logLevel: "silent" });
    const pairs = isMap(document.contents) ? document.contents.items : [];
    const found = pairs.flatMap(({ key, value }) => {
      const name = isScalar(key) ? String(key.value) : "";
      return NEEDED.includes(name) && isNode(value)
        ? [[name, value.toJS(document, { maxAliasCount: 10 })] as const]
        : [];
    });
    return Object.fromEntries(found);
  } catch {
    return {};
  }
}
