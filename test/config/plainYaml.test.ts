import { expect, test } from "vitest";
import { parseDocument } from "yaml";
import { readPlainYaml } from "../../src/config/read/plainYaml.ts";

/** As the parser of src/config/read/document.ts; null: it finds a fault. */
function parsed(text: string): unknown {
  const document = parseDocument(text, { prettyErrors: false, uniqueKeys: true, strict: true, merge: true });
  return document.errors.length + document.warnings.length > 0 ? null : document.toJS();
}

const CERTIFICATES = `# made by a generator
certificates:
  www.example.org:
    names: [www.example.org, "*.example.org", 'x.test', 192.0.2.1]
    targets:
    - lb
    - edge
    renewal:
      jitter: 0
    # Where clients are.
    endpoints:
      - www.example.org:443
      - host: mail.example.org
        port: 25
        starttls: smtp
        alpn: [h2]
      - host: 2001-db8.test
    dropDeadNames: true
    owner: "Anna B."

  api:
    names: ["api.example.org"]
    verifyTimeout: 90s
    waves:
    - targets: [lb]
      bake: 2m
    - targets:
        - edge
`;

test("files of certificates are read without the parser, and as it reads them", () => {
  expect(readPlainYaml(CERTIFICATES)).toEqual(parsed(CERTIFICATES));
  expect(Object.keys(Object(readPlainYaml(CERTIFICATES)?.certificates))).toEqual(["www.example.org", "api"]);
});

test.each([
  ...["", "# nothing\n", "[a]", "- a\n", "a", "a:\n", "a: 1\na: 2\n", "a: &x b\nc: *x\n", "a: !t b\n", "a: |\n  b\n"],
  ...[
    "--- \na: b\n",
    "a: b\n...\n",
    "%YAML 1.1\n---\na: b\n",
    "a: b # c\n",
    "a: b\n  c\n",
    "a: {b: c}\n",
    "a: [b, [c]]\n",
  ],
  ...[
    "a:\tb\n",
    "a: b\r\n",
    "\ufeffa: b\n",
    "a: 0.5\n",
    "a: 010\n",
    "a: 0x1f\n",
    "a: 1e3\n",
    "a: .5\n",
    "a: -1\n",
    "a: ~\n",
  ],
  ...[
    'a: "b\\n"\n',
    "a: 'it''s'\n",
    'a: ["b, c"]\n',
    "a: [b, ]\n",
    "a: b: c\n",
    "a: b:\n",
    "null: a\n",
    "1: a\n",
    "__proto__: a\n",
  ],
  ...[
    "a:\n  b: 1\n c: 2\n",
    "a: 1\n  b: 2\n",
    "a:\n  - b\n  c: 1\n",
    "- a: 1\n b: 2\n",
    "a: 1\n- b\n",
    "<<: a\n",
    "? a\n: b\n",
  ],
  ...[
    "a: - b\n",
    "a:\n  - - b\n",
    "a:\n  -\n    b: 1\n",
    "a:\n  -  b\n",
    "a: @b\n",
    "a: b,c\n",
    "a: \u0085\n",
    `${"a".repeat(101)}: b\n`,
  ],
  ...[
    "a: 99999999999999999999\n",
    "a: [b] # ]\n",
    "a: [b]]\n",
    "a: ''b''\n",
    "a: 'b' c'\n",
    "a: [\n  b]\n",
    "a: \n  b\n",
  ],
])("what is not plain is left to the parser: %j", (text) => {
  expect(readPlainYaml(text)).toBeNull();
});

/** Pieces of YAML in any order, most of it wrong: what is read all the same must be what the parser reads. */
test("whatever is read is read as the parser does", () => {
  const pieces = [
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
  ];
  const values = [
    "[a, b]",
    "1",
    "0",
    "07",
    "1.5",
    "true",
    "null",
    "no",
    "'x y'",
    '"z"',
    "g.h:1",
    "2026-01-01",
    ",",
    "]",
    "&",
    "*",
    "|",
  ];
  const all = [...pieces, ...values];
  let seed = 7;
  const random = (below: number): number => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((seed / 2_147_483_648) * below);
  };
  let read = 0;
  for (let round = 0; round < 4_000; round++) {
    const text = Array.from({ length: 1 + random(9) }, () => all[random(all.length)]).join("");
    const plain = readPlainYaml(text);
    if (plain === null) continue;
    read += 1;
    expect(plain, JSON.stringify(text)).toEqual(parsed(text));
  }
  expect(read).toBeGreaterThan(20);
  // The lines of a right file, with some left out, doubled or indented differently.
  const lines = CERTIFICATES.split("\n");
  for (let round = 0; round < 300; round++) {
    const changed = lines.flatMap((line) => {
      const what = random(40);
      return what === 0
        ? []
        : what === 1
          ? [line, line]
          : what === 2
            ? [` ${line}`]
            : what === 3
              ? [line.slice(2)]
              : [line];
    });
    const text = changed.join("\n");
    const plain = readPlainYaml(text);
    if (plain !== null) expect(plain, text).toEqual(parsed(text));
  }
});
