import { hostname, userInfo } from "node:os";
import { expect, test } from "vitest";
import { requestedBy } from "../../src/cli/requestedBy.ts";

const at = `@${hostname()}`;

test.each([
  ["behind sudo, the person who typed it", "alice", `alice${at}`],
  ["without sudo, the account", undefined, `${userInfo().username}${at}`],
  ["not what is no account's name", "a lice\u001b[2J", `${userInfo().username}${at}`],
])("the history names %s", (_, sudoUser, expected) => {
  expect(requestedBy((name) => (name === "SUDO_USER" ? sudoUser : undefined))).toBe(expected);
});
