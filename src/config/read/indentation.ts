import type { Problems } from "./problems.ts";
import { nearest } from "./suggestions.ts";

/** Sections whose members are named by the person who writes them, and are keys and values themselves. */
const MEMBERS = ["issuers", "solvers", "targets", "notifications", "certificates"];

/** The keys of the first column. Not taken from the schema: it takes all kinds of targets and solvers to load. */
export const SECTIONS = [
  ...["version", "include", "dataDir", "masterKey", "store", "redis", "http01", "tlsAlpn01", "dnsServer", "web"],
  ...["tracing", "planner", "workers", "observation", "verification", "vantages", "vantage", "watch", "rehearsal"],
  ...["discovery", "retention", "retry", "log", "issuers", "solvers", "targets", "notifications", "responsibility"],
  ...["alerts", "heartbeat", "canary", "exercise", "peers", "report", "horizon", "defaults", "certificates"],
];

type Mapping = Readonly<Record<string, unknown>>;

/**
 * Wrong indentations that make keys and values of another kind. Each is one mistake of its writer, and would be many
 * for the schema: of what is missing here, of what is unknown there, of names that are not defined then.
 */
export function addMisindented(data: unknown, problems: Problems): void {
  const top = asMapping(data);
  // The definition of one certificate has other keys.
  if (top === null || !["version", ...MEMBERS].some((key) => key in top) || "names" in top) return;
  addUnderTop(top, problems);
  for (const [section, value] of Object.entries(top)) {
    const inside = asMapping(value);
    if (inside === null) continue;
    const nested = addNested(section, inside, top, problems);
    if (!nested && MEMBERS.includes(section)) addUnderMembers(section, inside, problems);
  }
}

/** A section whose lines begin in the first column as well, or of which one line does. */
function addUnderTop(top: Mapping, problems: Problems): void {
  const entries = Object.entries(top);
  const isSection = ([key]: readonly [string, unknown]): boolean => SECTIONS.includes(key);
  for (const [index, [key, value]] of entries.entries()) {
    if (!SECTIONS.includes(key)) continue;
    const rest = entries.slice(index + 1);
    const end = rest.findIndex(isSection);
    const below = rest.slice(0, end === -1 ? rest.length : end);
    const names = below.map(([name]) => name);
    if (value === null && below.length > 0) addEmpty([key], names, problems);
    // Certificates may all be in files that are included.
    else if (value === null && MEMBERS.includes(key) && !("include" in top))
      problems.add(
        [key],
        "must be keys and values, but is empty: indent its members below it, or remove the line",
        "key",
      );
    const [last] = Object.keys(asMapping(value) ?? {}).slice(-1);
    // What is mistyped is said with its right spelling.
    const strays = below.filter(([name, stray]) => asMapping(stray) === null && nearest(name, SECTIONS) === null);
    const [stray] = strays;
    if (last !== undefined && stray !== undefined && MEMBERS.includes(key))
      problems.add(
        [stray[0]],
        `unknown key in the first column: if ${listed(strays.map(([name]) => name))} of ${key}.${last} above, indent ` +
          `${strays.length === 1 ? "the line" : "the lines"} further than \`${last}\``,
        "key",
      );
  }
}

/** A section that is indented, and so is part of the one above. */
function addNested(section: string, inside: Mapping, top: Mapping, problems: Problems): boolean {
  const nested = Object.entries(inside).find(
    ([key, value]) => MEMBERS.includes(key) && !(key in top) && (value === null || holdsMembers(value)),
  );
  if (nested === undefined || section === "defaults") return false;
  problems.add([section, nested[0]], "is a section of its own: begin its line in the first column", "key");
  return true;
}

/** A target may well be called `certificates`, but its options are no members. */
function holdsMembers(value: unknown): boolean {
  const inside = Object.values(asMapping(value) ?? {});
  return inside.length > 0 && inside.every((each) => asMapping(each) !== null);
}

/** A member whose lines are not indented below its name: they read as members of the section. */
function addUnderMembers(section: string, inside: Mapping, problems: Problems): void {
  const members = Object.entries(inside);
  let above: string | null = null;
  for (const [index, [name, value]] of members.entries()) {
    if (asMapping(value) !== null) above = name;
    else if (value === null) {
      const rest = members.slice(index + 1);
      const end = rest.findIndex(([, other]) => other === null || asMapping(other) !== null);
      const below = rest.slice(0, end === -1 ? rest.length : end).map(([key]) => key);
      if (below.length > 0) addEmpty([section, name], below, problems);
      above = null;
    } else if (above !== null)
      problems.add(
        [section, name],
        `must be keys and values as the other members are; if it is part of ${above} above, indent the line further`,
        "key",
      );
  }
}

function addEmpty(path: readonly string[], below: readonly string[], problems: Problems): void {
  const [are, lines] = below.length === 1 ? ["is", "that line"] : ["are", "those lines"];
  problems.add(
    path,
    `is empty, and ${below.join(", ")} below it ${are} not part of it: indent ${lines} further than the name`,
    "key",
  );
}

function listed(names: readonly string[]): string {
  return names.length === 1 ? "it is part" : `${names.join(", ")} are part`;
}

function asMapping(value: unknown): Mapping | null {
  // Boundary: data of a document, whose mappings are plain objects.
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Mapping) : null;
}
