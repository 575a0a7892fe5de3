import { expect, it } from "vitest";
import { parseAcl, readsByAcl } from "../../../src/deployers/local/fileReaders.ts";

const [OWNER, GROUP, NAMED, OTHER] = [5, 60, 33, 99];

/** As `getfacl -cn` prints it. */
const acl = (...entries: string[]) =>
  parseAcl(`${["user::rw-", ...entries, "mask::r--", "other::---"].join("\n")}\n`) ?? expect.unreachable();
const attributes = { uid: OWNER, gid: GROUP, mode: 0o640 };

it.each([
  ["whom it names", NAMED, [NAMED], ["user:33:r--", "group::---"], true],
  ["whom it names without the right, although a group has it", NAMED, [GROUP], ["user:33:---", "group::r--"], false],
  ["of the file's group, which it keeps out although the mode shows r", OTHER, [GROUP], ["group::---"], false],
  ["of the file's group, which may read", OTHER, [GROUP], ["group::r--"], true],
  ["of a group that it names", OTHER, [GROUP, 44], ["group::---", "group:44:r--"], true],
  ["whom it does not name", OTHER, [OTHER], ["user:33:r--", "group::r--"], false],
  ["who is the owner", OWNER, [OWNER], ["group::---"], true],
  ["who is root", 0, [0], ["group::---"], true],
])("a file with an ACL is read or not by a user %s", (_, uid, gids, entries, reads) => {
  expect(readsByAcl({ uid, gids }, attributes, acl(...entries))).toBe(reads);
});

it("a mask without the right takes it from all that an ACL names, and what is no ACL is none", () => {
  const masked = parseAcl("user::rw-\nuser:33:r--\t#effective:---\ngroup::r--\nmask::---\nother::---\n");
  expect(masked).toMatchObject({ group: false, users: new Set() });
  expect(parseAcl("")).toBeNull();
});
