// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are variables of the shell.
import type { CompletedOption, Place, Value, Word } from "./completionPlaces.ts";

/** Where the names are: what the line itself says. */
const WHERE = ["-c", "--config", "--server", "--token"] as const;
/** Of what `renewd certificates --json` prints. */
const NAMES = `sed -n 's/^ *"certificate": "\\(.*\\)",$/\\1/p'`;

function has(values: readonly Value[], kind: Value["kind"]): boolean {
  return values.some((value) => value.kind === kind);
}

function choicesOf(values: readonly Value[]): string[] {
  return values.flatMap((value) => (value.kind === "choices" ? value.choices : []));
}

/** Their next word is theirs. */
function takingValues(places: readonly Place[]): string {
  const words = new Set<string>();
  const flags = new Set<string>();
  for (const { word, value } of places.flatMap(({ options }) => options)) (value === null ? flags : words).add(word);
  // The same word may be a flag of another command.
  return [...words].filter((word) => !flags.has(word) && !(WHERE as readonly string[]).includes(word)).join(" | ");
}

/** Of each option with a value what is offered, by place; those of every place once. */
function optionCases(places: readonly Place[], answer: (option: CompletedOption) => string): string[] {
  const root = new Set(places[0]?.options.map(({ word }) => word));
  return places.flatMap(({ chain, options }) =>
    options
      .filter(({ word, value }) => value !== null && (chain.length === 0 || !root.has(word)))
      .map(
        (option) =>
          `    ${chain.length === 0 ? "*" : `"${chain.join("/")}`}${chain.length === 0 ? '" ' : " "}${option.word}") ${answer(option)} ;;`,
      ),
  );
}

export function bash(places: readonly Place[]): string {
  const cases = places.map(({ chain, commands, options, values }) => {
    const words = [...commands.map(({ word }) => word), ...choicesOf(values), ...options.map(({ word }) => word)];
    const files = has(values, "file") ? " files=1" : "";
    const names = has(values, "name") ? ' words="$words $(_renewd_names)"' : "";
    return `    "${chain.join(" ")}") words="${words.join(" ")}";${files}${names} ;;`;
  });
  const ofOption = ({ value }: CompletedOption): string =>
    value?.kind === "file"
      ? 'COMPREPLY=($(compgen -f -- "$current" || true)); return'
      : `COMPREPLY=($(compgen -W "${value?.kind === "choices" ? value.choices.join(" ") : ""}" -- "$current" || true)); return`;
  return [
    "# bash completion of renewd; made by `renewd completion bash`",
    `_renewd_names() { renewd "\${how[@]}" certificates --json 2>/dev/null | ${NAMES}; }`,
    "_renewd() {",
    '  local words="" chain="" word i files=""',
    "  local -a how=() line=()",
    // Bash splits at `:`, so a URL would be several words.
    '  if [[ -n "${COMP_LINE:-}" ]]; then',
    '    read -ra line <<< "${COMP_LINE:0:COMP_POINT}"',
    '    [[ "${COMP_LINE:0:COMP_POINT}" == *" " ]] && line+=("")',
    '  else line=("${COMP_WORDS[@]:0:COMP_CWORD+1}"); fi',
    '  local last=$((${#line[@]} - 1)); local current="${line[last]}" previous="${line[last - 1]}"',
    "  for ((i = 1; i < last; i++)); do",
    '    word="${line[i]}"',
    '    case "$word" in',
    `      ${WHERE.join(" | ")}) ((i + 1 < last)) && how+=("$word" "\${line[i + 1]}"); ((i += 1)) ;;`,
    `      ${takingValues(places)}) ((i += 1)) ;;`,
    "      -*) ;;",
    '      *) case " $_renewd_chains " in *" ${chain:+$chain/}$word "*) chain="${chain:+$chain/}$word" ;; esac ;;',
    "    esac",
    "  done",
    '  case "$chain $previous" in',
    ...optionCases(places, ofOption),
    "  esac",
    '  case "${chain//\\// }" in',
    ...cases,
    "  esac",
    '  COMPREPLY=($(compgen -W "$words" -- "$current" || true))',
    '  [[ -n "$files" ]] && COMPREPLY+=($(compgen -f -- "$current" || true))',
    "  return 0",
    "}",
    `_renewd_chains="${places.map(({ chain }) => chain.join("/")).join(" ")}"`,
    "complete -F _renewd renewd",
    "",
  ].join("\n");
}

export function zsh(places: readonly Place[]): string {
  const described = ({ word, about }: Word): string => `'${word}:${about.replaceAll(":", "\\:")}'`;
  const plain = (words: readonly string[]): string => words.map((word) => described({ word, about: "" })).join(" ");
  const cases = places.map(({ chain, commands, options, values }) => {
    const words = [...commands.map(described), plain(choicesOf(values)), ...options.map(described)].join(" ");
    const names = has(values, "name") ? ` found+=(\${(f)"$(_renewd_names)"});` : "";
    const files = has(values, "file") ? " _files;" : "";
    return `    "${chain.join(" ")}") found=(${words});${names}${files} ;;`;
  });
  const ofOption = ({ value }: CompletedOption): string => {
    if (value?.kind === "file") return "_files; return";
    return value?.kind === "choices" ? `found=(${plain(value.choices)}); _describe 'value' found; return` : "return";
  };
  return [
    "#compdef renewd",
    "# made by `renewd completion zsh`",
    `_renewd_names() { renewd "\${how[@]}" certificates --json 2>/dev/null | ${NAMES} }`,
    "_renewd() {",
    "  local -a found how; local chain='' word; integer i",
    `  local chains=" ${places.map(({ chain }) => chain.join("/")).join(" ")} "`,
    "  for ((i = 2; i < CURRENT; i++)); do",
    '    word="${words[i]}"',
    '    case "$word" in',
    `      ${WHERE.join(" | ")}) ((i + 1 < CURRENT)) && how+=("$word" "\${words[i + 1]}"); ((i += 1)) ;;`,
    `      ${takingValues(places)}) ((i += 1)) ;;`,
    "      -*) ;;",
    '      *) [[ "$chains" == *" ${chain:+$chain/}$word "* ]] && chain="${chain:+$chain/}$word" ;;',
    "    esac",
    "  done",
    '  case "$chain ${words[CURRENT - 1]}" in',
    ...optionCases(places, ofOption),
    "  esac",
    '  case "${chain//\\// }" in',
    ...cases,
    "  esac",
    "  _describe 'renewd' found",
    "}",
    'if [[ "$funcstack[1]" == _renewd ]]; then _renewd "$@"; else compdef _renewd renewd; fi',
    "",
  ].join("\n");
}

export function fish(places: readonly Place[]): string {
  const quoted = (text: string): string => `'${text.replaceAll("'", "’")}'`;
  const takes = ({ value }: CompletedOption): string => {
    if (value === null) return "";
    if (value.kind === "file") return " -r -F";
    return value.kind === "choices" ? ` -x -a ${quoted(value.choices.join(" "))}` : " -x";
  };
  const lines = places.flatMap(({ chain, commands, options, values }) => {
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
      ...choicesOf(values).map((word) => `${at} -f -a ${word}`),
      ...(has(values, "name") ? [`${at} -f -a "(__renewd_names)"`] : []),
      ...(has(values, "file") ? [`${at} -F`] : []),
      ...options
        .filter(({ word }) => word.startsWith("--"))
        .map(
          (option) =>
            `complete -c renewd -n ${quoted(chain.length === 0 ? "true" : condition)} -l ${option.word.slice(2)}${takes(option)} -d ${quoted(option.about)}`,
        ),
    ];
  });
  return [
    "# fish completion of renewd; made by `renewd completion fish`",
    "function __renewd_names",
    "  set -l how",
    "  set -l line (commandline -opc)",
    "  for i in (seq 2 (count $line))",
    `    if contains -- $line[$i] ${WHERE.join(" ")}`,
    "      set -a how $line[$i] $line[(math $i + 1)]",
    "    end",
    "  end",
    `  renewd $how certificates --json 2>/dev/null | ${NAMES}`,
    "end",
    ...new Set(lines),
    "",
  ].join("\n");
}
