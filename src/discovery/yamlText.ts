/** A value as flow YAML on one line; texts that YAML could read as something else are quoted. */
export function yamlText(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(yamlText).join(", ")}]`;
  if (typeof value === "object" && value !== null)
    return `{ ${Object.entries(value)
      .map(([key, each]) => `${key}: ${yamlText(each)}`)
      .join(", ")} }`;
  if (typeof value !== "string") return String(value);
  const isPlain = /^[A-Za-z/][\w./@-]*$/.test(value) && !/^(true|false|null|yes|no|on|off|y|n)$/i.test(value);
  // JSON's quotes are YAML's as well.
  return isPlain ? value : JSON.stringify(value);
}
