import type { Problems } from "./problems.ts";

/** Sections whose members are named by the person who writes them, and are keys and values themselves. */
const SECTIONS = ["issuers", "solvers", "targets", "certificates"];

/**
 * A member whose lines are not indented below its name: they read as members of the section, and each would be a
 * mistake of its own, although one indentation is wrong.
 */
export function addOutdented(data: unknown, problems: Problems): void {
  for (const section of SECTIONS) {
    const members = Object.entries(asMapping(asMapping(data)?.[section]) ?? {});
    for (const [index, [name, value]] of members.entries()) {
      if (value !== null) continue;
      const rest = members.slice(index + 1);
      const end = rest.findIndex(([, other]) => other === null || asMapping(other) !== null);
      const below = rest.slice(0, end === -1 ? rest.length : end).map(([key]) => key);
      if (below.length > 0)
        problems.add(
          [section, name],
          `is empty, and ${below.join(", ")} below it ${below.length === 1 ? "is" : "are"} not part of it: indent ` +
            `${below.length === 1 ? "that line" : "those lines"} further than the name`,
          "key",
        );
    }
  }
}

function asMapping(value: unknown): Record<string, unknown> | null {
  // Boundary: data of a document, whose mappings are plain objects.
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : null;
}
