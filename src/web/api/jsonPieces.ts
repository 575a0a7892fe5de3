type Replacer = (key: string, value: unknown) => unknown;

/**
 * The same text as `JSON.stringify(answer, replacer)`, item by item where a member is a list: a document of ten
 * thousand items in one go would keep the thread for a tenth of a second.
 */
export function* jsonPieces(answer: object, replacer: Replacer = (_, value) => value): Generator<string> {
  if (Array.isArray(answer) || "toJSON" in answer) {
    yield JSON.stringify(answer, replacer);
    return;
  }
  let separator = "{";
  for (const [key, given] of Object.entries(answer)) {
    const member = replacer(key, given);
    if (Array.isArray(member)) {
      yield `${separator}${JSON.stringify(key)}:[`;
      for (const [index, item] of member.entries())
        yield `${index === 0 ? "" : ","}${JSON.stringify(item, replacer) ?? "null"}`;
      yield "]";
      separator = ",";
      continue;
    }
    const text: string | undefined = JSON.stringify(member, replacer);
    if (text === undefined) continue;
    yield `${separator}${JSON.stringify(key)}:${text}`;
    separator = ",";
  }
  yield separator === "{" ? "{}" : "}";
}
