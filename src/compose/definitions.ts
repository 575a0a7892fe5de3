import { loadConfig, type Stored } from "../config/load.ts";
import { type Definition, definitionsIn } from "../config/read/definitions.ts";
import { digestOf } from "../config/read/digest.ts";
import type { ParsedDocument } from "../config/read/document.ts";
import type { ConfigProblem } from "../config/read/problems.ts";
import { alteredProblems } from "../config/read/stored.ts";
import { quote, suggestion } from "../config/read/suggestions.ts";
import type { DefinitionWrite, StoredDefinition, StoredDefinitions } from "../domain/definition.ts";
import { RenewalError } from "../domain/errors.ts";
import type { EventDetail, NewEvent } from "../domain/event.ts";
import type { Store } from "../domain/store.ts";
import { configInvalid, loadConfigOrExplain, type Reader, readerOf, readerToLook } from "./reader.ts";

/** Somebody else changed definitions meanwhile. */
const ATTEMPTS_MAX = 5;
const NAMES_SHOWN_MAX = 20;

export interface DefinitionChange {
  readonly added: readonly string[];
  readonly changed: readonly string[];
  readonly removed: readonly string[];
  /** Are defined as they were before. */
  readonly unchanged: readonly string[];
}

/** What a command wants, seen against what the database defines now. Throws `request.invalid`. */
interface Wanted {
  /** Documents whose certificates are defined from now on. */
  readonly documents: readonly ParsedDocument[];
  readonly removed: readonly string[];
  readonly event: (change: DefinitionChange) => Pick<NewEvent, "certificate" | "detail">;
}

/** A new certificate. `document` defines it alone. */
export function addDefinition(configFile: string, name: string, document: ParsedDocument, by: string | null) {
  return changeDefinitions(configFile, by, async ({ definitions }) => {
    if (definitions.some((each) => each.name === name))
      throw new RenewalError(
        "request.invalid",
        `${quote(name)} is defined in the database already: change it with \`renewd certificates edit ${name}\``,
      );
    return { documents: [document], removed: [], event: () => ({ certificate: name, detail: { change: "added" } }) };
  });
}

/** `edited` makes the new document out of the present definition: again only when somebody else has changed that one. */
export function editDefinition(
  configFile: string,
  name: string,
  edited: (definition: Definition) => Promise<ParsedDocument>,
  by: string | null,
) {
  let last: { readonly before: Definition; readonly document: ParsedDocument } | null = null;
  return changeDefinitions(configFile, by, async (stored) => {
    // One that cannot be read is written again as a whole.
    const before = stored.altered.includes(name) ? {} : storedNamed(stored, name).definition;
    const document = last !== null && isSame(last.before, before) ? last.document : await edited(before);
    last = { before, document };
    return {
      documents: [document],
      removed: [],
      event: () => ({ certificate: name, detail: { change: "edited" } }),
    };
  });
}

/** `force`: also one that is being renewed. */
export function removeDefinitions(
  configFile: string,
  names: readonly string[],
  { force, by }: { readonly force: boolean; readonly by: string | null },
) {
  return changeDefinitions(configFile, by, async (stored, store) => {
    for (const name of names) {
      if (!stored.altered.includes(name)) storedNamed(stored, name);
      const active = force ? null : await store.renewals.active(name);
      if (active !== null)
        throw new RenewalError(
          "request.invalid",
          `${quote(name)} is being renewed (${active.id}); remove it afterwards, or give --force: the renewal is cancelled`,
        );
    }
    const [name = ""] = names;
    const detail = { change: "removed", ...(names.length > 1 && { names: names.slice(0, NAMES_SHOWN_MAX) }) };
    return { documents: [], removed: names, event: () => ({ certificate: names.length === 1 ? name : null, detail }) };
  });
}

/** `replace`: also certificates that the database defines in another way. */
export function importDefinitions(
  configFile: string,
  documents: readonly ParsedDocument[],
  { replace, by, from }: { readonly replace: boolean; readonly by: string | null; readonly from: string },
) {
  return changeDefinitions(configFile, by, async ({ definitions }) => {
    if (!replace) refuseOthers(definitions, documents);
    return { documents, removed: [], event: (change) => ({ certificate: null, detail: importDetail(change, from) }) };
  });
}

function importDetail({ added, changed }: DefinitionChange, from: string): EventDetail {
  const names = [...added, ...changed].slice(0, NAMES_SHOWN_MAX);
  return { change: "imported", from, added: added.length, changed: changed.length, names };
}

/**
 * What the database defines, in the order of names. Throws `request.invalid` for a name that it does not define, or that
 * somebody else has written.
 */
export async function storedDefinitions(
  configFile: string,
  names: readonly string[],
): Promise<Pick<StoredDefinitions, "definitions" | "altered">> {
  await using reader = await readerToLook(await loadConfigOrExplain(configFile, { stored: "unread" }));
  const stored = await reader.store.definitions.list();
  if (names.length === 0) return stored;
  return { definitions: names.map((name) => storedNamed(stored, name)), altered: [] };
}

function storedNamed(
  { definitions, altered }: Pick<StoredDefinitions, "definitions" | "altered">,
  name: string,
): StoredDefinition {
  const found = definitions.find((each) => each.name === name);
  if (found !== undefined) return found;
  if (altered.includes(name)) {
    const message = alteredProblems({ altered: [name] }).map((each) => each.message);
    throw new RenewalError("request.invalid", message.join(" "));
  }
  const known = definitions.map((each) => each.name);
  throw new RenewalError("request.invalid", `${quote(name)} is not defined in the database${suggestion(name, known)}`);
}

function refuseOthers(definitions: readonly StoredDefinition[], documents: readonly ParsedDocument[]): void {
  const before = new Map(definitions.map(({ name, definition }) => [name, definition]));
  const problems = documents.flatMap((document) =>
    [...definitionsIn(document)].flatMap(([name, definition]): ConfigProblem[] => {
      const known = before.get(name);
      if (known === undefined || isSame(known, definition)) return [];
      const message = `certificates.${name}: the database defines it in another way: --replace writes over that`;
      return [{ ...document.places.of(["certificates", name], "key"), message }];
    }),
  );
  if (problems.length > 0) throw configInvalid(problems);
}

/** Each change is checked as a whole configuration, and written whole or not at all. */
async function changeDefinitions(
  configFile: string,
  by: string | null,
  want: (stored: StoredDefinitions, store: Store) => Promise<Wanted>,
): Promise<DefinitionChange> {
  await using reader = await readerOf(await loadConfigOrExplain(configFile, { stored: "unread" }), {
    schema: "created",
  });
  for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
    const stored = await reader.store.definitions.list();
    const wanted = await want(stored, reader.store);
    await check(configFile, stored, wanted);
    const { change, writes } = difference(stored, wanted);
    if (writes.length === 0 || (await write(reader, { stored, wanted, change, writes, by }))) return change;
  }
  throw new RenewalError("store.conflict", "others keep changing definitions: nothing was changed; try again");
}

function difference(
  { definitions, altered }: StoredDefinitions,
  { documents, removed }: Wanted,
): { readonly change: DefinitionChange; readonly writes: readonly DefinitionWrite[] } {
  const before = new Map(definitions.map(({ name, definition }) => [name, definition]));
  const writes: DefinitionWrite[] = removed.map((name) => ({ name, definition: null }));
  const [added, changed, unchanged]: [string[], string[], string[]] = [[], [], []];
  for (const [name, definition] of documents.flatMap((document) => [...definitionsIn(document)])) {
    const known = before.get(name);
    if (known !== undefined && isSame(known, definition)) {
      unchanged.push(name);
      continue;
    }
    (known === undefined && !altered.includes(name) ? added : changed).push(name);
    writes.push({ name, definition });
  }
  return { change: { added, changed, removed, unchanged }, writes };
}

function isSame(one: Definition, other: Definition): boolean {
  return digestOf(one) === digestOf(other);
}

interface Write {
  readonly stored: StoredDefinitions;
  readonly wanted: Wanted;
  readonly change: DefinitionChange;
  readonly writes: readonly DefinitionWrite[];
  readonly by: string | null;
}

/** False: another change came first. */
function write({ store, clock }: Reader, { stored, wanted, change, writes, by }: Write): Promise<boolean> {
  const at = clock.now();
  return store.transaction(async (tx) => {
    if ((await tx.definitions.write(writes, { seen: stored.revision, at, by })) === null) return false;
    const { certificate, detail } = wanted.event(change);
    const of = { at, certificate, renewalId: null, target: null };
    await tx.events.append({ ...of, type: "certificate.defined", detail: { ...detail, by } });
    return true;
  });
}

/**
 * Throws `config.invalid` with every mistake that the change would make. What is wrong before it does not keep anybody
 * from correcting something else.
 */
async function check(configFile: string, stored: StoredDefinitions, { documents, removed }: Wanted): Promise<void> {
  const replaced = new Set([...removed, ...documents.flatMap((document) => [...definitionsIn(document).keys()])]);
  const kept: Stored = {
    ...stored,
    definitions: stored.definitions.filter(({ name }) => !replaced.has(name)),
    altered: stored.altered.filter((name) => !replaced.has(name)),
    candidates: documents,
  };
  const after = await loadConfig(configFile, { stored: async () => kept });
  if (after.ok) return;
  const before = await loadConfig(configFile, { stored: async () => stored });
  const known = new Set(before.ok ? [] : before.problems.map(({ file, message }) => `${file} ${message}`));
  const made = after.problems.filter(({ file, message }) => !known.has(`${file} ${message}`));
  if (made.length > 0) throw configInvalid(made);
}
