import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { silentLog } from "../../src/cli/silentLog.ts";
import { openContext, withoutQueue } from "../../src/compose/index.ts";
import { planDue } from "../../src/renewal/plan/plan.ts";
import { DAY_MS, endpointStatus, version } from "../support/model/facts.ts";
import { configText, createInstallation } from "../support/system/installation.ts";

const NAMES = ["api", "shop", "www"];

async function installation() {
  const made = await createInstallation(configText(NAMES));
  const now = Date.now();
  for (const [index, certificate] of NAMES.entries()) {
    const names = [{ type: "dns" as const, value: `${certificate}.example.org` }];
    const leaf = {
      ...version().leaf,
      serial: index === 0 ? "0A" : `${index}A`,
      identifiers: names,
      notBefore: now - DAY_MS,
      notAfter: now + 89 * DAY_MS,
    };
    await made.issue(version({ certificate, leaf }));
    await made.store.deployments.want(certificate, ["lb"], 1);
    await made.store.deployments.update(certificate, "lb", 0, { deployedGeneration: 1 });
    await made.store.certificates.update(certificate, { nextCheckAt: now + 80 * DAY_MS });
  }
  return made;
}

test("a dry run names the certificates and records nothing; without a selection nothing is selected", async () => {
  await using estate = await installation();
  await writeFile(join(estate.directory, "serials"), "00:00:0a\n2a\n0123456789\n");
  const dry = await estate.run(
    "replace",
    "--serials",
    join(estate.directory, "serials"),
    "--deadline",
    "24h",
    "--dry-run",
    "--json",
  );
  expect(JSON.parse(dry.stdout)).toMatchObject({
    id: null,
    certificates: ["api", "www"],
    unknownSerials: ["0123456789"],
  });
  expect(dry.stderr).toContain("1 of the serials is not in use here, or not any more: 0123456789");
  expect((await estate.run("replace", "--san", "*.example.org", "--deadline", "24h", "--dry-run")).stdout).toContain(
    "would replace 3 certificates",
  );
  // None of them asks for a profile.
  expect(await estate.run("replace", "--profile", "shortlived", "--deadline", "24h")).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("no issued certificate"),
  });
  expect(await estate.run("replace", "--deadline", "24h")).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("say which certificates"),
  });
  expect(await estate.run("replace", "--san", "*.example.net", "--deadline", "24h")).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("no issued certificate"),
  });
  expect(await estate.run("replace", "--san", "*", "--deadline", "24h", "--to", "other")).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('no issuer "other"'),
  });
  expect(await estate.store.replacements.list()).toEqual([]);
});

test("the planner works a replacement off in the emergency lane, and its board shows the progress", async () => {
  await using estate = await installation();
  const { store } = estate;
  const started = JSON.parse(
    (await estate.run("replace", "--issuer", "ca", "--deadline", "24h", "--to", "ca", "--json")).stdout,
  );
  expect(started.certificates).toEqual(NAMES);
  await store.certificates.update("shop", { pausedAt: Date.now(), pausedReason: "migration" });

  await using app = await openContext(estate.configFile, { log: silentLog });
  const context = { ...withoutQueue(app.context), clockGuard: { check: async () => {} } };
  const planned = await planDue(context, new AbortController().signal);
  expect(
    planned.map(({ certificate, reason, priority, issuer }) => [certificate, reason, priority, issuer]).sort(),
  ).toEqual([
    ["api", "requested", 60, "ca"],
    ["www", "requested", 60, "ca"],
  ]);
  const [www] = planned.filter(({ certificate }) => certificate === "www");
  await store.versions.insert(
    version({ certificate: "www", generation: 2 }),
    await store.versions.privateKey("www", 1),
  );
  await store.renewals.update(www?.id ?? "", www?.fence ?? 0, {
    state: "succeeded",
    finishedAt: Date.now(),
    nextActionAt: null,
  });

  const [board] = JSON.parse((await estate.run("replace", "status", "--json")).stdout).replacements;
  expect(board).toMatchObject({
    id: started.id,
    certificates: 3,
    done: 1,
    inFlight: 1,
    waiting: [{ on: "paused: migration", certificates: ["shop"] }],
  });
  // The paused one comes through only when a person resumes it: no time is promised.
  expect(board).toMatchObject({ projectedAt: null, needPerson: 1, inTime: false });
  const text = (await estate.run("replace", "status", started.id.slice(0, 8))).stdout;
  expect(text).toContain("1 of 3 done, 1 in flight, 1 waiting");
  expect(text).toContain("waiting on paused: migration: 1 (shop)");

  expect((await estate.run("replace", "cancel", started.id)).stdout).toContain("is cancelled");
  await store.certificates.update("shop", { pausedAt: null, nextCheckAt: Date.now() });
  // It was never proved live in this test, which is mended without a new certificate.
  expect(await planDue(context, new AbortController().signal)).toMatchObject([
    { certificate: "shop", reason: "drift", generation: 1 },
  ]);
  expect((await estate.run("replace", "status")).stdout).toContain("cancelled");
});

test("goes wave by wave: the next begins when all before are proved live", async () => {
  await using estate = await installation();
  const { store } = estate;
  expect(await estate.run("replace", "--san", "*", "--deadline", "24h", "--waves", "0,x")).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("such as 1,20"),
  });
  expect(await estate.run("replace", "--san", "*", "--deadline", "24h", "--waves", "1,1")).toMatchObject({ code: 0 });
  for (const name of NAMES)
    await store.observations.record(
      endpointStatus({ certificate: name, endpoint: `${name}.example.org@192.0.2.1:443` }),
      [],
    );
  await using app = await openContext(estate.configFile, { log: silentLog });
  const now = Date.now();
  const context = {
    ...withoutQueue(app.context),
    clock: { ...app.context.clock, now: () => now },
    clockGuard: { check: async () => {} },
  };
  const planned = async (): Promise<string[]> =>
    (await planDue(context, new AbortController().signal)).map(({ certificate, reason }) => `${certificate} ${reason}`);
  expect(await planned()).toEqual(["api requested"]);
  expect((await estate.run("replace", "status")).stdout).toContain("waits for 1 certificate of earlier waves");
  const renewal = await store.renewals.active("api");
  await store.renewals.update(renewal?.id ?? "", renewal?.fence ?? 0, {
    state: "succeeded",
    finishedAt: now,
    nextActionAt: null,
  });
  await store.versions.insert(
    version({ certificate: "api", generation: 2, verifiedAt: now }),
    await store.versions.privateKey("api", 1),
  );
  await store.replacements.wakeNextWave("api", now);
  expect(await planned()).toEqual(["shop requested"]);
});
