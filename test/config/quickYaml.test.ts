import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parseDocument } from "yaml";
import { readQuickly } from "../../src/config/read/quickYaml.ts";

/** As the parser of src/config/read/document.ts reads it; null: it finds a fault. */
function parsed(text: string): unknown {
  const document = parseDocument(text, { prettyErrors: false, uniqueKeys: true, strict: true, merge: true });
  return document.errors.length + document.warnings.length > 0 ? null : document.toJS();
}

const EXAMPLE = readFileSync(new URL("../../renewd.example.yaml", import.meta.url), "utf8");

const CERTIFICATES = `# made by a generator
certificates:
  www.example.org:
    names: [www.example.org, "*.example.org", 'it''s.test', 192.0.2.1]
    targets:
    - lb
    - edge
    renewal: { jitter: 0, share: 0.3 }
    # Where clients are.
    endpoints:
      - www.example.org:443
      - host: mail.example.org
        port: 25
        starttls: smtp
    owner: "Anna B."
    note: |
      two
      lines
  api:
    names: ["api.example.org"]
    waves:
    - targets:
        - edge
`;

test.each([
  ["certificates", CERTIFICATES],
  ["the example", EXAMPLE],
])("%s: read quickly, and as the other parser reads it", (_name, text) => {
  const data = readQuickly(text);
  expect(data).not.toBeNull();
  expect(data).toEqual(parsed(text));
});

test.each([
  ...[
    "",
    "# nothing\n",
    "[a]",
    "- a\n",
    "a",
    "a: &x b\nc: *x\n",
    "a: !t b\n",
    "%YAML 1.1\n---\na: b\n",
    "--- \na: b\n",
  ],
  ...[
    "a: 1\na: 2\n",
    "<<: { a: b }\n",
    "? a\n: b\n",
    "1: a\n",
    "null: a\n",
    "__proto__: a\n",
    "[a]: b\n",
    "{a: b}: c\n",
  ],
  ...[
    "a:\tb\n",
    "a: b\r\n",
    "\ufeffa: b\n",
    "a: \u0085\n",
    "a: [\n  b]\n",
    "a: @b\n",
    "a: b: c\n",
    "a:\n  b: 1\n c: 2\n",
  ],
  // Numbers that are not decimal, and quotes over lines, which the other parser wants indented.
  ...[
    "a: 0x1F90\n",
    "a: 0o640\n",
    "a: [1, -.Inf]\n",
    "a: .nan\n",
    "a: 'b\nc'\n",
    'a: "b\nc"\n',
    `${"a".repeat(1025)}: b\n`,
  ],
])("what may be a fault, or be read in two ways, is left to the other parser: %j", (text) => {
  expect(readQuickly(text)).toBeNull();
});

test("a line of a hundred thousand brackets is read in time that grows with its length", () => {
  const line = `a: ${"[".repeat(100_000)}]\n`;
  const before = process.cpuUsage();
  expect(readQuickly(line)).toBeNull();
  const { user } = process.cpuUsage(before);
  // A minute, when each bracket looked for the end of the line.
  expect(user / 1000).toBeLessThan(5_000);
});

test("numbers and words in quotes are texts", () => {
  expect(readQuickly(`a: ["0x1f", '0o7', '.inf', "1", 'true', '~']\n`)).toEqual({
    a: ["0x1f", "0o7", ".inf", "1", "true", "~"],
  });
});

const PIECES = [
  ...[
    "a",
    "b",
    "c:",
    ": ",
    "- ",
    "  ",
    "\n",
    "\n",
    "\n  ",
    "\n    ",
    "\n- ",
    "\n  - ",
    "d: e",
    "f:\n",
    "'",
    '"',
    "#",
    " #",
  ],
  ...[
    "[a, b]",
    "1",
    "0",
    "07",
    "1.5",
    "0o7",
    "0x1f",
    "1_000",
    ".5",
    "+1",
    "1e3",
    "~",
    ".inf",
    "true",
    "null",
    "no",
    "yes",
  ],
  ...[
    "'x y'",
    '"z"',
    "g.h:1",
    "2026-01-01",
    ",",
    "]",
    "[",
    "{",
    "}",
    "{a: b}",
    "&",
    "*",
    "|",
    ">",
    "@",
    "`",
    "é",
    "\\n",
    "''",
  ],
];

/** Pieces of YAML in any order, most of it wrong, and right files with lines left out, doubled or moved. */
test("what is read quickly is what the other parser reads", () => {
  let seed = 7;
  const random = (below: number): number => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((seed / 2_147_483_648) * below);
  };
  const changed = (line: string): string[] =>
    [[], [line, line], [` ${line}`], [line.slice(2)], [line.slice(0, random(line.length))]][random(60)] ?? [line];
  const jumbled = Array.from({ length: 4_000 }, () =>
    Array.from({ length: 1 + random(9) }, () => PIECES[random(PIECES.length)]).join(""),
  );
  const damaged = Array.from({ length: 300 }, () => CERTIFICATES.split("\n").flatMap(changed).join("\n"));
  const read = [...jumbled, ...damaged].filter((text) => {
    const data = readQuickly(text);
    if (data !== null) expect(data, JSON.stringify(text)).toEqual(parsed(text));
    return data !== null;
  });
  expect(read.length).toBeGreaterThan(100);
});
