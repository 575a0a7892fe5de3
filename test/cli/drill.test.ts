import { expect, test } from "vitest";
import { version } from "../support/model/facts.ts";
import { configText, createInstallation } from "../support/system/installation.ts";

test("a drill asks first, names what it leaves out, and is listed with what it measured", async () => {
  await using estate = await createInstallation(configText(["api", "www"]));
  const leaf = { ...version().leaf, notBefore: Date.now(), notAfter: Date.now() + 90 * 86_400_000 };
  await estate.issue(version({ certificate: "www", leaf }));
  const dry = await estate.run("drill", "www", "api", "--dry-run");
  expect(dry.stdout).toContain("would replace 1 certificate as if revoked");
  expect(dry.stderr).toContain("api is left out: it was never issued");
  expect(await estate.run("drill", "www", "--no-input")).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("--yes"),
  });
  expect(await estate.run("drill", "www", "--issuer", "nobody", "--yes")).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('there is no issuer "nobody"'),
  });
  expect(await estate.run("drill", "api", "--yes")).toMatchObject({ code: 2 });
  expect(await estate.store.drills.list(10)).toEqual([]);

  const started = JSON.parse((await estate.run("drill", "www", "--as", "expired", "--yes", "--json")).stdout);
  expect(started).toMatchObject({ scenario: "expired", certificates: ["www"], refused: [] });
  const listed = await estate.run("drill", "--list");
  expect(listed.stdout).toContain(started.id);
  expect(listed.stdout).toContain("0 of 1 proved live");
  expect(listed.stdout).toContain("not proved: www");
  const { drills } = JSON.parse((await estate.run("drill", started.id.slice(0, 8), "--list", "--json")).stdout);
  expect(drills).toMatchObject([{ id: started.id, finishedAt: null, stages: [{ stage: "detected" }, {}, {}, {}] }]);
  // The same replacement that `renewd replace` starts.
  expect((await estate.run("replace", "status")).stdout).toContain(`${started.id}  drill as if expired: www`);
  expect((await estate.run("history", "--json")).code).toBe(0);
});
