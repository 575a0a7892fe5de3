/** What a dnsapi script of acme.sh says about itself in its `dns_NAME_info` block. Foreign text. */
export interface AcmeShInfo {
  /** First line: the vendor's name. */
  readonly title: string;
  readonly site: string | null;
  readonly docs: string | null;
  /** Sets of variables, any of which is enough: `Options`, `OptionsAlt`, `OptionsAlt2` … */
  readonly sets: readonly (readonly AcmeShVariable[])[];
}

export interface AcmeShVariable {
  readonly name: string;
  readonly description: string;
  readonly isOptional: boolean;
}

const LINES_MAX = 200;
const VARIABLES_MAX = 50;

/** Null: the script has no such block, as those from before 2024. `readVariables` finds what they read. */
export function readInfo(script: string, name: string): AcmeShInfo | null {
  const all = script.split("\n");
  const from = all.findIndex((line) => line.startsWith(`${name}_info='`) || line.startsWith(`${name}_info="`));
  if (from < 0) return null;
  const start = `${name}_info='`.length;
  const quote = all[from]?.[start - 1] ?? "'";
  const text = all
    .slice(from, from + LINES_MAX)
    .join("\n")
    .slice(start);
  // A quote inside would have to be escaped; there is none in practice, and the block ends at the first.
  const lines = text.slice(0, text.indexOf(quote)).split("\n");
  const sets: AcmeShVariable[][] = [];
  const fields = new Map<string, string>();
  let inOptions = false;
  for (const line of lines.slice(1)) {
    // Some blocks indent `OptionsAlt:` as their variables.
    const [, key, value = ""] = /^\s*([A-Z][A-Za-z0-9]*):(?:\s+(.*))?$/.exec(line) ?? [];
    if (key !== undefined) {
      inOptions = /^Options(Alt\d*)?$/.test(key);
      if (inOptions) sets.push([]);
      else fields.set(key, value.trim());
      continue;
    }
    const variable = inOptions ? readVariable(line) : null;
    if (variable !== null) sets.at(-1)?.push(variable);
  }
  return {
    title: (lines[0] ?? "").trim(),
    site: fields.get("Site") ?? null,
    docs: fields.get("Docs") ?? null,
    sets: sets.filter((set) => set.length > 0),
  };
}

function readVariable(line: string): AcmeShVariable | null {
  const [, name, description = ""] = /^\s*([A-Za-z_][A-Za-z0-9_]*)\s*(.*)$/.exec(line) ?? [];
  if (name === undefined) return null;
  return { name, description: description.trim(), isOptional: /optional|\bdefaults?\b/i.test(description) };
}

/** What a script without a block takes from its environment or, in acme.sh, from what it saved there. */
export function readVariables(script: string): string[] {
  const read = script.matchAll(/\b_read(?:account|domain)conf(?:_mutable)?\s+"?([A-Za-z_][A-Za-z0-9_]*)/g);
  return [...new Set([...read].map(([, name = ""]) => name))].slice(0, VARIABLES_MAX);
}

/** The script reads its variables as `$NAME`, `${NAME…}` or by `_readaccountconf_mutable NAME`. */
function isUsed(script: string, name: string): boolean {
  const body = script.replace(/^\w+_info=(?:'[^']*'|"[^"]*")/m, "");
  return new RegExp(`\\b${name}\\b`).test(body);
}

/**
 * What is wrong with the variables that the user gives. Only what both the block and the script's own text say counts:
 * some blocks name variables that their scripts do not know.
 */
export function variableProblems(script: string, info: AcmeShInfo | null, given: readonly string[]): string[] {
  const described = new Set(info?.sets.flat().map(({ name }) => name) ?? []);
  const unknown = given.filter((name) => !described.has(name) && !isUsed(script, name));
  const problems = unknown.map((name) => `the script does not know the variable ${name}`);
  const missing = (info?.sets ?? []).map((set) =>
    set.filter(({ name, isOptional }) => !isOptional && !given.includes(name) && isUsed(script, name)),
  );
  if (missing.length === 0 || missing.some((set) => set.length === 0)) return problems;
  const each = missing.map((set) => set.map(({ name }) => name).join(", "));
  return [...problems, `the script needs ${each.join(", or ")}`];
}
