import { expect, it } from "vitest";
import { withConfigFile } from "../../src/cli/withConfigFile.ts";

it.each([
  ["Start it: `renewd run`.", undefined, "Start it: `renewd run`."],
  ["Start it: `renewd run`.", "/etc/renewd/a.yaml", "Start it: `renewd -c /etc/renewd/a.yaml run`."],
  [
    "`renewd retry www`, then `renewd status`",
    "it's.yaml",
    "`renewd -c 'it'\\''s.yaml' retry www`, then `renewd -c 'it'\\''s.yaml' status`",
  ],
])("%s with %s", (advice, config, typed) => {
  expect(withConfigFile(advice, config)).toBe(typed);
});
