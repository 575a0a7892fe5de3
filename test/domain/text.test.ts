import { describe, expect, it } from "vitest";
import { inert, inertLine, inertLines, nameLine, sanitize } from "../../src/domain/text.ts";

const HOSTILE = "a\u001b[31mb\r\nFAKE LOG\u0000 \u202ec\u2028d\u0085e";

describe("foreign text", () => {
  it("becomes one line in which nothing acts", () => {
    expect(sanitize(HOSTILE, 100)).toBe("a\uFFFD[31mb FAKE LOG\uFFFD \uFFFDc d\uFFFDe");
    expect(sanitize("  plain text, gr\u00fcn \u{1f600}  ", 100)).toBe("plain text, gr\u00fcn \u{1f600}");
  });

  it("is bounded at its start or its end, and says that something is missing", () => {
    expect(sanitize("abcdef", 6)).toBe("abcdef");
    expect(sanitize("abcdefg", 6)).toBe("abcde…");
    expect(sanitize("abcdefg", 6, "end")).toBe("…cdefg");
    expect(sanitize("x".repeat(1_000_000), 10)).toHaveLength(10);
  });

  it("is spelled out for a terminal without losing anything", () => {
    expect(inert("a\u001b[31m\u202eb\n")).toBe("a\\x1b[31m\\u{202e}b\\x0a");
    expect(inert("plain, grün 😀")).toBe("plain, grün 😀");
  });

  it("keeps its lines, or becomes one, where it is spelled out", () => {
    expect(inertLines("one\r\ntwo\u009b")).toBe("one\ntwo\\x9b");
    expect(inertLine("one \r\n two\u2028\u0000")).toBe("one two\\u{2028}\\x00");
  });

  it("is one bounded line when it is a distinguished name", () => {
    expect(nameLine("C=US\nO=Let's Encrypt\nCN=R11")).toBe("C=US, O=Let's Encrypt, CN=R11");
    expect(nameLine(`CN=a\u202eb${"c".repeat(300)}`)).toMatch(/^CN=a\uFFFDbc+…$/);
  });
});
