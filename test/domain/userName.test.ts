import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { renderInit } from "../../src/cli/render/init.ts";
import { shownUser, userExists } from "../../src/domain/userName.ts";

it("a user is shown by its name, and by its number where it has none", async () => {
  const directory = await mkdtemp(join(tmpdir(), "renewd-passwd-"));
  const passwd = join(directory, "passwd");
  await writeFile(passwd, "root:x:0:0:root:/root:/bin/bash\nrenewd:x:999:999::/var/lib/renewd:/usr/sbin/nologin\n");
  expect(shownUser(999, passwd)).toEqual({ name: "renewd", sudo: "renewd" });
  expect(shownUser(99, passwd)).toEqual({ name: "99", sudo: "'#99'" });
  expect([userExists("renewd", passwd), userExists("renew", passwd)]).toEqual([true, false]);
  expect(shownUser(999, join(directory, "missing"))).toEqual({ name: "999", sudo: "'#999'" });
  await rm(directory, { recursive: true });
});

it("init has root type what writes as the service's user", () => {
  const www = {
    ...{ name: "www", names: ["www.example.org"], certificateFile: "/c.pem", keyFile: "/k.pem" },
    ...{ expiresAt: "2030-01-01T00:00:00.000Z", servers: [], renewedBy: null, obstacle: null },
  };
  const report = { version: 1, file: "/etc/renewd/renewd.yaml", configuration: "", certificates: [www] } as const;
  const rest = { servers: [], unreadable: [], problems: [], sharesPort80With: null };
  const shown = (runAs: string | null) => renderInit({ ...report, ...rest, runAs }, { width: 100, colours: false });
  expect(shown("renewd")).toContain("  runuser -u renewd -- renewd -c /etc/renewd/renewd.yaml import www ");
  expect(shown(null)).toContain("  renewd -c /etc/renewd/renewd.yaml import www ");
});
