export type Tree = { [key: string]: unknown };

/** Paths of what a JSON Schema lets one write: `*` for a name, `#` for a place in a list. */
export function leavesOf(schema: Tree): string[] {
  const found: string[] = [];
  const walk = (node: Tree, path: readonly string[]): void => {
    const { properties, additionalProperties: values, items } = node;
    const branches = ((node.anyOf ?? node.oneOf ?? []) as Tree[]).filter(
      (branch) => branch.properties ?? branch.items ?? branch.additionalProperties,
    );
    if (isTree(properties)) for (const [key, value] of Object.entries(properties)) walk(value as Tree, [...path, key]);
    if (isTree(values) && Object.keys(values).length > 0) walk(values, [...path, "*"]);
    for (const branch of branches) walk(branch, path);
    const isList = isTree(items) && (isTree(items.properties) || Array.isArray(items.anyOf));
    if (isList) walk(items, [...path, "#"]);
    if (!isTree(properties) && !isTree(values) && branches.length === 0 && !isList) found.push(path.join("."));
  };
  walk(schema, []);
  return [...new Set(found)];
}

function isTree(value: unknown): value is Tree {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
