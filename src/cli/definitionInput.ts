import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { configInvalid } from "../compose/index.ts";
import type { Definition } from "../config/read/definitions.ts";
import type { ParsedDocument } from "../config/read/document.ts";
import { processEnvironment } from "../config/read/environment.ts";
import type { ConfigProblem } from "../config/read/problems.ts";
import { RenewalError } from "../domain/errors.ts";
import { definitionDocument, definitionText, parseDefinition, parseValue, parseYaml, readConfigText } from "./doors.ts";

/** Stands for a file in the messages about what was typed. */
const TYPED = "command line";

export interface Written {
  readonly set?: readonly string[];
  readonly unset?: readonly string[];
  readonly from?: string;
}

/** A new definition, as options say it. Throws `request.invalid` or `config.invalid`. */
export async function writtenDefinition(
  name: string,
  names: readonly string[],
  { set = [], from }: Written,
): Promise<ParsedDocument> {
  if (from === undefined)
    return definitionDocument(name, await withKeys({ ...(names.length > 0 && { names }) }, set, []), TYPED);
  if (names.length > 0 || set.length > 0)
    throw new RenewalError("request.invalid", "--from: holds the whole definition: give no names and no --set beside");
  return definitionFile(from, name);
}

/** `before` as options change it; without options as a person changes it in an editor, in the file of `onDraft`. */
export async function editedDefinition(
  name: string,
  before: Definition,
  { set = [], unset = [], from, input }: Written & { readonly input: boolean },
  onDraft: (file: string) => void,
): Promise<ParsedDocument> {
  if (from !== undefined && set.length + unset.length > 0)
    throw new RenewalError("request.invalid", "--from: holds the whole definition: give no --set and --unset beside");
  if (from !== undefined) return definitionFile(from, name);
  if (set.length + unset.length > 0) return definitionDocument(name, await withKeys(before, set, unset), TYPED);
  if (!input || process.stdin.isTTY !== true)
    throw new RenewalError("request.invalid", "give --set, --unset or --from: there is nobody to edit it here");
  return inEditor(name, before, onDraft);
}

/** Throws `config.invalid` with the mistakes of all files. */
export async function readDefinitionFiles(files: readonly string[]): Promise<readonly ParsedDocument[]> {
  const documents: ParsedDocument[] = [];
  const problems: ConfigProblem[] = [];
  for (const file of new Set(files)) {
    const read = await readConfigText(file);
    const document = "problem" in read ? read : await parseYaml(file, read.text, "certificates:");
    if ("problem" in document) problems.push({ file, line: 0, column: 0, message: document.problem });
    else if ("problems" in document) problems.push(...document.problems);
    else documents.push(document);
  }
  if (problems.length > 0) throw await configInvalid(problems);
  return documents;
}

async function definitionFile(file: string, name: string): Promise<ParsedDocument> {
  const read = await readConfigText(file);
  if ("problem" in read) throw new RenewalError("request.invalid", read.problem);
  return valid(await parseDefinition(file, read.text, name));
}

async function valid<T extends object>(found: T | { readonly problems: readonly ConfigProblem[] }): Promise<T> {
  if ("problems" in found) throw await configInvalid(found.problems);
  return found;
}

async function withKeys(before: Definition, set: readonly string[], unset: readonly string[]): Promise<Definition> {
  // Of what is in the database nothing is changed in place.
  const definition = structuredClone<Record<string, unknown>>(before);
  for (const key of unset) assign(definition, key.split("."), undefined);
  for (const assignment of set) {
    const [, key, text] = /^([^=]+)=(.*)$/s.exec(assignment) ?? [];
    if (key === undefined || text === undefined)
      throw new RenewalError(
        "request.invalid",
        `--set: must be key=value, not ${JSON.stringify(assignment.slice(0, 80))}`,
      );
    const { value } = await valid(await parseValue(`--set ${key.slice(0, 80)}`, text));
    assign(definition, key.split("."), value);
  }
  return definition;
}

function assign(holder: Record<string, unknown>, [key = "", ...rest]: readonly string[], value: unknown): void {
  if (key === "__proto__") throw new RenewalError("request.invalid", "--set: __proto__ is no key");
  if (rest.length === 0) {
    if (value === undefined) delete holder[key];
    else holder[key] = value;
    return;
  }
  const inner = holder[key];
  const isMapping = typeof inner === "object" && inner !== null && !Array.isArray(inner);
  // A mapping, as just seen.
  const next: Record<string, unknown> = isMapping ? { ...(inner as Record<string, unknown>) } : {};
  assign(next, rest, value);
  holder[key] = next;
}

async function inEditor(name: string, before: Definition, onDraft: (file: string) => void): Promise<ParsedDocument> {
  const editor = processEnvironment("VISUAL") ?? processEnvironment("EDITOR") ?? "vi";
  const directory = await mkdtemp(join(tmpdir(), "renewd-edit-"));
  const file = join(directory, "certificate.yaml");
  await writeFile(file, await definitionText(before), { mode: 0o600 });
  onDraft(file);
  // As git and crontab do: the editor may be a command with arguments.
  const { spawn } = await import("node:child_process");
  const child = spawn("/bin/sh", ["-c", `${editor} "$1"`, "sh", file], { stdio: "inherit" });
  const { promise, resolve, reject } = Promise.withResolvers<number | null>();
  child.once("exit", resolve).once("error", reject);
  if ((await promise) !== 0)
    throw new RenewalError("request.invalid", `the editor failed (${editor}): nothing was changed`);
  return definitionFile(file, name);
}
