import { expect, it } from "vitest";
import { directoryFault, isAnothersWhole, ownerFault } from "../../src/domain/ownership.ts";

const USER = { uid: 990, gids: [990, 100] };

it.each([
  ["its own", { uid: 990, gid: 990, mode: 0o40700 }],
  ["readable by others", { uid: 990, gid: 990, mode: 0o40755 }],
  ["writable by its own group, as umask 002 makes it", { uid: 990, gid: 990, mode: 0o40775 }],
  ["root's, shared by a group of the process, as Kubernetes mounts it", { uid: 0, gid: 100, mode: 0o42775 }],
])("a directory that is %s is accepted", (_, found) => {
  expect(directoryFault("/var/lib/renewd", found, USER)).toBeNull();
});

it.each([
  ["of another user", { uid: 1000, gid: 990, mode: 0o40700 }, "chown -R 990 /var/lib/renewd"],
  ["of mode 0777", { uid: 990, gid: 990, mode: 0o40777 }, "(mode 0777); run: chmod 700 /var/lib/renewd"],
  ["of mode 01777", { uid: 0, gid: 0, mode: 0o41777 }, "(mode 1777); run: chmod 700 /var/lib/renewd"],
  ["writable by another group", { uid: 990, gid: 7, mode: 0o40770 }, "chmod 700 /var/lib/renewd"],
])("a directory %s is refused with the command that fixes it", (_, found, command) => {
  expect(directoryFault("/var/lib/renewd", found, USER)).toContain(command);
});

it("root does not use another user's file either, and is told whom to run as", () => {
  const fault = ownerFault("/srv/my data/it's", { uid: 990, gid: 990, mode: 0o100600 }, { uid: 0, gids: [0] });
  expect(fault).toContain("sudo -u '#990' renewd");
  expect(fault).toContain("chown -R root '/srv/my data/it'\\''s'");
});

it("root looks at another user's installation without a finding, but not at one that has mixed owners", () => {
  const root = { uid: 0, gids: [0] };
  const of = (uid: number, mode = 0o600) => ({ uid, gid: uid, mode });
  expect(isAnothersWhole(root, of(995, 0o700), of(995))).toBe(true);
  expect(isAnothersWhole(root, of(0, 0o700), of(995))).toBe(false);
  expect(isAnothersWhole(root, of(995, 0o700), of(995, 0o640))).toBe(false);
  expect(isAnothersWhole(root, of(0, 0o700), of(0))).toBe(false);
  expect(isAnothersWhole({ uid: 7, gids: [7] }, of(995, 0o700), of(995))).toBe(false);
});
