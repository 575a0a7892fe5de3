import type { StoredDefinitions } from "../../domain/definition.ts";
import type { ParsedDocument } from "./document.ts";
import type { Position } from "./positions.ts";
import type { ConfigProblem } from "./problems.ts";

/** Stands for a file in the messages about certificates that are defined in the database. */
export const DATABASE = "database";

const IN_DATABASE: Position = { file: DATABASE, line: 0, column: 0 };

/** What the database defines, as if it were an included file. */
export function storedDocument({ definitions }: Pick<StoredDefinitions, "definitions">): ParsedDocument {
  return {
    data: { certificates: Object.fromEntries(definitions.map(({ name, definition }) => [name, definition])) },
    places: { files: [DATABASE], of: () => IN_DATABASE, ofNode: () => IN_DATABASE },
  };
}

export function alteredProblems({ altered }: Pick<StoredDefinitions, "altered">): ConfigProblem[] {
  return altered.map((name) => ({
    ...IN_DATABASE,
    message:
      `certificates.${name}: renewd did not write this definition as it is: write it again with ` +
      `\`renewd certificates edit ${name}\`, or remove it with \`renewd certificates remove ${name}\``,
  }));
}
