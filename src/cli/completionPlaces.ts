import type { Argument, Command, Option } from "commander";
import { ERRORS } from "../domain/errorTable.ts";

export interface Word {
  readonly word: string;
  readonly about: string;
}

/** What a value may be. */
export type Value =
  | { readonly kind: "file" }
  | { readonly kind: "choices"; readonly choices: readonly string[] }
  /** The name of a certificate, which `renewd certificates --json` knows. */
  | { readonly kind: "name" }
  /** Nothing can be offered. */
  | { readonly kind: "free" };

export interface CompletedOption extends Word {
  /** null: it takes none. */
  readonly value: Value | null;
}

/** What may follow a chain of commands, such as `replace status`. */
export interface Place {
  /** `renewd` itself: empty. */
  readonly chain: readonly string[];
  readonly commands: readonly Word[];
  readonly options: readonly CompletedOption[];
  readonly values: readonly Value[];
}

/** All of them, from the program itself. */
export function placesOf(command: Command, chain: readonly string[], global: readonly Option[]): Place[] {
  const here: Place = {
    chain,
    commands: command.commands.map((each) => ({ word: each.name(), about: firstSentence(each.description()) })),
    options: [...(chain.length === 0 ? [] : command.options), ...global].flatMap(wordsOf),
    values: command.registeredArguments.map(offeredFor),
  };
  return [here, ...command.commands.flatMap((each) => placesOf(each, [...chain, each.name()], global))];
}

function wordsOf(option: Option): CompletedOption[] {
  const about = firstSentence(option.description);
  const choices = option.argChoices;
  const value: Value | null =
    !option.required && !option.optional
      ? null
      : choices !== undefined
        ? { kind: "choices", choices }
        : { kind: /<(?:file|dir)>/i.test(option.flags) ? "file" : "free" };
  return [option.long, option.short].flatMap((word) => (word == null ? [] : [{ word, about, value }]));
}

function offeredFor(argument: Argument): Value {
  const name = argument.name();
  if (argument.argChoices !== undefined) return { kind: "choices", choices: argument.argChoices };
  if (name === "CODE") return { kind: "choices", choices: Object.keys(ERRORS) };
  if (name === "FILE") return { kind: "file" };
  return { kind: /^NAME|^RENEWAL|^FINDING/.test(name) ? "name" : "free" };
}

/** Quotes would end those of the script. */
function firstSentence(text: string): string {
  const sentence = /^.*?[.;](?=\s|$)/s.exec(text)?.[0] ?? text;
  return sentence
    .replace(/[.;]$/, "")
    .replaceAll("'", "’")
    .replaceAll(/[`"\\[\]$]/g, "");
}
