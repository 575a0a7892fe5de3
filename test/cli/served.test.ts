// The time machine and the watched endpoints, as commands, pages and metrics show them.
import { createHash, X509Certificate } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { NOBODY } from "../../src/domain/responsibility.ts";
import { placeKey, type SeenCertificate, type ServedSighting } from "../../src/domain/served.ts";
import { type Authority, createRoot } from "../support/ca/pki.ts";
import { watchDefinition, watchLook } from "../support/model/watched.ts";
import { configText, createInstallation, type Installation } from "../support/system/installation.ts";

const DAY_MS = 86_400_000;
const NOW = Date.now();
const BEFORE = new Date(NOW - 2 * DAY_MS).toISOString();

let installation: Installation;
let ca: Authority;
beforeAll(async () => {
  installation = await createInstallation(configText(["www"]));
  ca = await createRoot({ name: "Their CA" });
  const [old, next] = [await leaf(["a.example"]), await leaf(["a.example", "b.example"])];
  const { served, watched } = installation.store;
  await served.record([sighting("192.0.2.1", NOW - 3 * DAY_MS, old), sighting("192.0.2.2", NOW - 3 * DAY_MS, old)]);
  await served.record([sighting("192.0.2.1", NOW - DAY_MS, next)]);
  const definition = watchDefinition(
    "partner",
    { host: "a.example" },
    { responsibility: { ...NOBODY, owner: "anna", team: "shop", runbook: "https://wiki.example/partner" } },
  );
  await watched.configure([definition, watchDefinition("new", { host: "b.example" })], NOW);
  const problem = { code: "verify.ending", message: "serial 0A by CN=Theirs ends in 2 d" };
  const look = watchLook(
    { at: NOW, state: "ending", problem },
    { notBefore: NOW - DAY_MS, notAfter: NOW + 2 * DAY_MS },
  );
  await watched.record([{ watched: definition, look, nextLookAt: NOW + 60_000 }]);
});
afterAll(() => installation[Symbol.asyncDispose]());

async function json(...args: string[]): Promise<unknown> {
  return JSON.parse((await installation.run(...args, "--json")).stdout);
}

async function leaf(names: readonly string[]): Promise<SeenCertificate> {
  return seen((await ca.issue({ names })).certPem);
}

function seen(pem: string): SeenCertificate {
  const { raw, publicKey } = new X509Certificate(pem);
  const digest = (data: Uint8Array): string => createHash("sha256").update(data).digest("hex");
  return { fingerprint: digest(raw), der: raw, keyDigest: digest(publicKey.export({ type: "spki", format: "der" })) };
}

function sighting(address: string, at: number, certificate: SeenCertificate): ServedSighting {
  const where = { address, port: 443, sni: "a.example" };
  const place = { ...where, key: placeKey(where), host: "a.example" };
  return { place, at, certificates: [certificate, seen(ca.certPem)], code: null };
}

test("served lists the changes of every address, or what was served at an instant", async () => {
  const all = await json("served", "a.example");
  expect(all).toMatchObject({
    asked: null,
    places: [
      {
        place: "a.example@192.0.2.1:443",
        changes: [
          { leaf: { names: ["a.example", "b.example"], issuer: "CN=Their CA" } },
          { leaf: { names: ["a.example"] } },
        ],
      },
      { place: "a.example@192.0.2.2:443", changes: [{ chain: [{ subject: "CN=Their CA" }] }] },
    ],
  });
  const then = await json("served", "192.0.2.1:443", "--at", BEFORE);
  expect(then).toMatchObject({ places: [{ changes: [{ leaf: { names: ["a.example"] } }] }] });
  const { stdout } = await installation.run("served", "192.0.2.1", "--at", "9d");
  expect(stdout).toMatch(/a\.example@192\.0\.2\.1:443 at .*: nothing is known of that time/);
  const unknown = await installation.run("served", "other.example");
  expect([unknown.code, unknown.stderr]).toEqual([2, expect.stringContaining('nothing is known of "other.example"')]);
});

test("diff says what differs between two instants, or two addresses, and asks which where there are several", async () => {
  const moved = await installation.run("diff", `192.0.2.1@${BEFORE}`, "192.0.2.1", "--json");
  expect(moved.code).toBe(1);
  const report = JSON.parse(moved.stdout);
  expect(report.differences.map(({ what }: { what: string }) => what)).toEqual(
    expect.arrayContaining(["names", "serial", "key"]),
  );
  expect(report.differences[0]).toEqual({ what: "names", one: "a.example", other: "a.example, b.example" });
  const same = await installation.run("diff", `192.0.2.1@${BEFORE}`, "192.0.2.2");
  expect([same.code, same.stdout]).toEqual([0, expect.stringMatching(/the same\n$/)]);
  expect((await installation.run("diff", "a.example", "192.0.2.2")).stderr).toContain(
    "name one of them: a.example@192.0.2.1:443, a.example@192.0.2.2:443",
  );
});

test("watched lists what others renew, worst first, and status names what needs somebody", async () => {
  expect(await json("watched")).toMatchObject({
    endpoints: [
      { name: "partner", state: "ending", errorCode: "verify.ending" },
      { name: "new", state: "unseen", expiresAt: null },
    ],
  });
  const { stdout } = await installation.run("watched", "partner");
  expect(stdout).toMatch(/^partner: ends soon since .*\na\.example:443; looked at/);
  expect(stdout).toContain("owner anna, team shop, runbook https://wiki.example/partner");
  expect((await installation.run("watched")).stdout).toMatch(/RESPONSIBLE.*\n.*partner .* anna /);
  expect(await json("status")).toMatchObject({
    notices: expect.arrayContaining([expect.objectContaining({ id: "watched/partner", kind: "watched" })]),
  });
  expect((await installation.run("watched", "nobody")).stderr).toContain('"nobody" is no watched endpoint');
});
