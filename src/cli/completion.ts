// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are variables of the shell.
import type { Argument, Command, Option } from "commander";

export const SHELLS = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof SHELLS)[number];

interface Word {
  readonly word: string;
  readonly about: string;
}

/** What may follow a chain of commands, such as `replace status`. */
interface Place {
  /** `renewd` itself: empty. */
  readonly chain: readonly string[];
  readonly commands: readonly Word[];
  readonly options: readonly Word[];
  readonly choices: readonly string[];
  /** It takes the name of a certificate, which `renewd certificates --json` knows. */
  readonly isNamed: boolean;
}

/** A completion script, made from the program itself. Names of certificates are asked for when they are completed. */
export function completionScript(shell: Shell, program: Command): string {
  const places = placesOf(program, [], program.options);
  if (shell === "bash") return bash(places);
  return shell === "zsh" ? zsh(places) : fish(places);
}

function placesOf(command: Command, chain: readonly string[], global: readonly Option[]): Place[] {
  const here: Place = {
    chain,
    commands: command.commands.map((each) => ({ word: each.name(), about: firstSentence(each.description()) })),
    options: [...(chain.length === 0 ? [] : command.options), ...global].flatMap((option) =>
      [option.long, option.short].flatMap((word) =>
        word === undefined || word === null ? [] : { word, about: firstSentence(option.description) },
      ),
    ),
    choices: command.registeredArguments.flatMap((argument: Argument) => argument.argChoices ?? []),
    isNamed: command.registeredArguments.some((argument) => /^NAME|^RENEWAL|^FINDING/.test(argument.name())),
  };
  return [here, ...command.commands.flatMap((each) => placesOf(each, [...chain, each.name()], global))];
}

function firstSentence(text: string): string {
  return (/^.*?[.;:](?=\s|$)/s.exec(text)?.[0] ?? text).replace(/[.;:]$/, "").replaceAll(/[`'"\\[\]$]/g, "");
}

/** Prints the names on one line each; without a configuration it prints none. */
const NAMES = `renewd certificates --json 2>/dev/null | sed -n 's/^ *"certificate": "\\(.*\\)",$/\\1/p'`;

function bash(places: readonly Place[]): string {
  const cases = places.map(({ chain, commands, options, choices, isNamed }) => {
    const words = [...commands.map(({ word }) => word), ...choices, ...options.map(({ word }) => word)].join(" ");
    const names = isNamed ? ` words="$words $(${NAMES})"` : "";
    return `    "${chain.join(" ")}") words="${words}"${names === "" ? "" : `;${names}`} ;;`;
  });
  return [
    "# bash completion of renewd; made by `renewd completion bash`",
    "_renewd() {",
    '  local words chain="" word i',
    '  local current="${COMP_WORDS[COMP_CWORD]}"',
    '  case "${COMP_WORDS[COMP_CWORD - 1]}" in -c | --config) COMPREPLY=($(compgen -f -- "$current")); return ;; esac',
    "  for ((i = 1; i < COMP_CWORD; i++)); do",
    '    word="${COMP_WORDS[i]}"',
    '    case "$word" in -c | --config) ((i++)) ;; -*) ;; *)',
    '      case " $_renewd_chains " in *" ${chain:+$chain/}$word "*) chain="${chain:+$chain/}$word" ;; esac ;;',
    "    esac",
    "  done",
    '  case "${chain//\\// }" in',
    ...cases,
    "  esac",
    '  COMPREPLY=($(compgen -W "$words" -- "$current"))',
    "}",
    `_renewd_chains="${places.map(({ chain }) => chain.join("/")).join(" ")}"`,
    "complete -F _renewd renewd",
    "",
  ].join("\n");
}

function zsh(places: readonly Place[]): string {
  const described = ({ word, about }: Word): string => `'${word}:${about.replaceAll(":", "\\:")}'`;
  const cases = places.map(({ chain, commands, options, choices, isNamed }) => {
    const words = [...commands, ...choices.map((word) => ({ word, about: "" })), ...options].map(described).join(" ");
    const names = isNamed ? ` found+=(\${(f)"$(${NAMES})"})` : "";
    return `    "${chain.join(" ")}") found=(${words})${names === "" ? "" : `;${names}`} ;;`;
  });
  return [
    "#compdef renewd",
    "# made by `renewd completion zsh`",
    "_renewd() {",
    "  local -a found; local chain='' word",
    `  local chains=" ${places.map(({ chain }) => chain.join("/")).join(" ")} "`,
    '  for word in "${(@)words[2,CURRENT-1]}"; do',
    '    [[ "$chains" == *" ${chain:+$chain/}$word "* ]] && chain="${chain:+$chain/}$word"',
    "  done",
    '  case "${chain//\\// }" in',
    ...cases,
    "  esac",
    "  _describe 'renewd' found",
    "}",
    'if [[ "$funcstack[1]" == _renewd ]]; then _renewd "$@"; else compdef _renewd renewd; fi',
    "",
  ].join("\n");
}

function fish(places: readonly Place[]): string {
  const quoted = (text: string): string => `'${text.replaceAll("'", "")}'`;
  const lines = places.flatMap(({ chain, commands, options, choices, isNamed }) => {
    const others = commands.map(({ word }) => word).join(" ");
    const seen = chain.map((word) => `__fish_seen_subcommand_from ${word}`).join("; and ");
    const condition =
      chain.length === 0
        ? "__fish_use_subcommand"
        : others === ""
          ? seen
          : `${seen}; and not __fish_seen_subcommand_from ${others}`;
    const at = `complete -c renewd -n ${quoted(condition)}`;
    return [
      ...commands.map(({ word, about }) => `${at} -f -a ${word} -d ${quoted(about)}`),
      ...choices.map((word) => `${at} -f -a ${word}`),
      ...(isNamed ? [`${at} -f -a "(${NAMES.replaceAll('"', '\\"').replaceAll("$", "\\$")})"`] : []),
      ...options
        .filter(({ word }) => word.startsWith("--"))
        .map(
          ({ word, about }) =>
            `complete -c renewd -n ${quoted(chain.length === 0 ? "true" : condition)} -l ${word.slice(2)} -d ${quoted(about)}`,
        ),
    ];
  });
  return ["# fish completion of renewd; made by `renewd completion fish`", ...new Set(lines), ""].join("\n");
}
