import { rm } from "node:fs/promises";
import { dirname } from "node:path";
import type { Command } from "commander";
import {
  addDefinition,
  type DefinitionChange,
  editDefinition,
  importDefinitions,
  removeDefinitions,
  storedDefinitions,
} from "../../compose/index.ts";
import { RenewalError } from "../../domain/errors.ts";
import { inert } from "../../domain/text.ts";
import { type Cli, perform } from "../command.ts";
import { editedDefinition, readDefinitionFiles, type Written, writtenDefinition } from "../definitionInput.ts";
import { definitionsText } from "../doors.ts";
import type { Output } from "../output.ts";
import { requestedBy } from "../requestedBy.ts";

/**
 * `renewd certificates add --json`, and so `renewd certificates edit --json`, `renewd certificates remove --json` and
 * `renewd certificates import --json`: names of certificates that the database defines or defined.
 */
export interface DefinitionsReport {
  readonly version: 1;
  readonly added: readonly string[];
  readonly changed: readonly string[];
  readonly removed: readonly string[];
  /** Are defined as they were before. */
  readonly unchanged: readonly string[];
}

const NAMES_SHOWN_MAX = 10;

const repeated = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];

/** Certificates that live in the database instead of a file. */
export function addDefinitionCommands(certificates: Command, cli: Cli): void {
  addAdd(certificates, cli);
  addEdit(certificates, cli);
  addRemove(certificates, cli);
  addImportFile(certificates, cli);
  addExport(certificates, cli);
}

function addAdd(group: Command, cli: Cli): void {
  const command = group
    .command("add")
    .description("Define a new certificate in the database, checked as one in a file; `defaults` complete it.")
    .argument("<NAME>", "its name, which no file and no other certificate has")
    .argument("[SUBJECT...]", "its DNS names and IP addresses, as in `names`")
    .option("--set <key=value>", "a key as below the name in the file, its value in YAML; may be repeated", repeated)
    .option("--from <file>", "YAML with its keys");
  perform<Written>(command, cli, async ({ args: [name = "", ...names], options, output, configFile }) => {
    const document = await writtenDefinition(name, names, options);
    return answer(output, await addDefinition(configFile, name, document, requestedBy()));
  });
}

function addEdit(group: Command, cli: Cli): void {
  const command = group
    .command("edit")
    .description("Change the definition of a certificate in the database; without an option in $VISUAL or $EDITOR.")
    .argument("<NAME>", "a certificate that the database defines")
    .option(
      "--set <key=value>",
      "a key and its new value in YAML; a.b for a key inside another; may be repeated",
      repeated,
    )
    .option("--unset <key>", "a key to leave to `defaults`; may be repeated", repeated)
    .option("--from <file>", "YAML with all its keys, instead of those it has");
  perform<Written & { readonly input: boolean }>(
    command,
    cli,
    async ({ args: [name = ""], options, output, configFile }) => {
      let draft: string | null = null;
      const change = editDefinition(
        configFile,
        name,
        (before) => {
          // What a person wrote belongs to the definition that the editor showed.
          if (draft !== null)
            throw new RenewalError("request.invalid", `${name} was changed by others meanwhile: nothing was changed`);
          return editedDefinition(name, before, options, (file) => (draft = file));
        },
        requestedBy(),
      );
      const changed = await change.catch((thrown: unknown) => {
        if (draft !== null) output.note(`what you wrote is kept: correct it and give --from ${draft}`);
        throw thrown;
      });
      if (draft !== null) await rm(dirname(draft), { recursive: true, force: true });
      return answer(output, changed);
    },
  );
}

function addRemove(group: Command, cli: Cli): void {
  const command = group
    .command("remove")
    .description(
      "Remove certificates from the database, as from a file: nothing renews them any more; what is deployed stays.",
    )
    .argument("<NAME...>", "certificates that the database defines")
    .option("--force", "also one that is being renewed: the renewal is cancelled");
  perform<{ readonly force?: boolean }>(
    command,
    cli,
    async ({ args, options: { force = false }, output, configFile }) =>
      answer(output, await removeDefinitions(configFile, [...new Set(args)], { force, by: requestedBy() })),
  );
}

function addImportFile(group: Command, cli: Cli): void {
  const command = group
    .command("import")
    .description(
      "Define the certificates of YAML files in the database, all of them or none; the files are as those of `include`.",
    )
    .argument("<FILE...>", "YAML with `certificates:`")
    .option("--replace", "also those that the database defines in another way");
  perform<{ readonly replace?: boolean }>(
    command,
    cli,
    async ({ args, options: { replace = false }, output, configFile }) => {
      const documents = await readDefinitionFiles(args);
      const from = args.join(", ").slice(0, 200);
      return answer(output, await importDefinitions(configFile, documents, { replace, from, by: requestedBy() }));
    },
  );
}

function addExport(group: Command, cli: Cli): void {
  const command = group
    .command("export")
    .description("Print what the database defines as YAML that `import` and `include` take.")
    .argument("[NAME...]", "only these");
  perform(command, cli, async ({ args, output, configFile }) => {
    const { definitions, altered } = await storedDefinitions(configFile, args);
    const certificates = definitions.map(({ name, definition }) => ({ name, definition }));
    const text = await definitionsText(definitions);
    output.report({ version: 1 as const, certificates }, () => text.trimEnd());
    if (altered.length === 0) return "ok";
    output.note(`left out, as renewd did not write them as they are: ${altered.map(inert).join(", ")}`);
    return "wrong";
  });
}

function answer(output: Output, change: DefinitionChange): "ok" {
  const report: DefinitionsReport = { version: 1, ...change };
  output.report(report, renderChange);
  if (change.added.length + change.changed.length + change.removed.length > 0)
    output.note("a running renewd takes it over within seconds");
  return "ok";
}

function renderChange({ added, changed, removed, unchanged }: DefinitionsReport): string {
  const lines = [
    lineOf(added, "defined in the database"),
    lineOf(changed, "changed in the database"),
    lineOf(removed, "removed from the database"),
    lineOf(unchanged, "defined so already"),
  ].flat();
  return lines.length === 0 ? "nothing to do: no certificates" : lines.join("\n");
}

function lineOf(names: readonly string[], what: string): string[] {
  if (names.length === 0) return [];
  if (names.length > NAMES_SHOWN_MAX) return [`${names.length} certificates: ${what}`];
  return [`${names.map(inert).join(", ")}: ${what}`];
}

/** `renewd certificates export --json`. */
export interface DefinitionsExport {
  readonly version: 1;
  readonly certificates: readonly { readonly name: string; readonly definition: Readonly<Record<string, unknown>> }[];
}
