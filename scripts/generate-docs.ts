// Writes the reference that comes out of the configuration's schemas. A test fails while what is committed differs.
//   node scripts/generate-docs.ts
import { writeFile } from "node:fs/promises";
import { cliReference } from "../src/cli/reference.ts";
import { configJsonSchema } from "../src/config/schema/jsonSchema.ts";
import { configurationReference } from "../src/config/schema/reference.ts";
import { REGISTRIES } from "../src/config/schema/registries.ts";

/** Path from the project's root → content. */
export function generatedDocs(): ReadonlyMap<string, string> {
  const schema = configJsonSchema(REGISTRIES);
  return new Map([
    ["docs/renewd.schema.json", `${JSON.stringify(schema, null, 2)}\n`],
    ["docs/configuration.md", configurationReference(schema)],
    ["docs/cli.md", cliReference()],
  ]);
}

if (import.meta.main) {
  for (const [path, content] of generatedDocs()) await writeFile(new URL(`../${path}`, import.meta.url), content);
}
