/** One element of a vendor's flat XML. */
export interface XmlElement {
  readonly attributes: Readonly<Record<string, string>>;
  /** What is between its tags, as written; empty for an empty element. */
  readonly inner: string;
}

const ELEMENTS_MAX = 10_000;
const ENTITIES: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

/**
 * Every element of that name (upper and lower case are the same), whatever it is in. Enough for answers whose elements
 * of one name are not nested in each other. Entities of a document type are not known, so none is expanded.
 */
export function elements(xml: string, name: string): XmlElement[] {
  const pattern = new RegExp(`<${name}((?:\\s+[\\w:.-]+\\s*=\\s*(?:"[^"<]*"|'[^'<]*'))*)\\s*(?:/>|>([^<]*)|>)`, "gi");
  return [...xml.matchAll(pattern)].slice(0, ELEMENTS_MAX).map(([, attributes = "", inner = ""]) => ({
    attributes: Object.fromEntries(
      [...attributes.matchAll(/([\w:.-]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/g)].map(
        ([, key = "", double, single]) => [key, decoded(double ?? single ?? "")] as const,
      ),
    ),
    inner,
  }));
}

export function textOf({ inner }: XmlElement): string {
  return decoded(inner).trim();
}

function decoded(text: string): string {
  return text.replace(/&(?:#x([0-9a-f]{1,6})|#(\d{1,7})|(\w{2,4}));/gi, (whole, hex, decimal, named) => {
    if (named !== undefined) return ENTITIES[String(named).toLowerCase()] ?? whole;
    const point = hex === undefined ? Number(decimal) : Number.parseInt(String(hex), 16);
    return point <= 0x10ffff ? String.fromCodePoint(point) : whole;
  });
}
