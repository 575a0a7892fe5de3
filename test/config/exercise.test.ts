// Only a certificate that is marked for it, and shares nothing with another, may be broken on purpose.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { loadConfig } from "../../src/config/load.ts";
import { MINUTE_MS } from "../../src/domain/time.ts";

const PLACE = { host: "spare.example.org", port: 443, sni: "sacrificial.example.org" };
const GOOD = { names: ["sacrificial.example.org"], targets: ["spare"], endpoints: [PLACE], sacrificial: true };
const WWW = { names: ["www.example.org"], targets: ["lb"], endpoints: ["www.example.org:443"] };

type Section = Readonly<Record<string, unknown>>;

async function problemsOf(sacrificial: Section, other: Section = {}, exercise: Section = {}): Promise<string[]> {
  const result = await load({ ...GOOD, ...sacrificial }, { ...WWW, ...other }, exercise);
  return result.ok ? [] : result.problems.map(({ message }) => message);
}

async function load(sacrificial: Section, www: Section, { canary, ...exercise }: Section) {
  const directory = await mkdtemp(join(tmpdir(), "renewd-exercise-"));
  try {
    const file = join(directory, "renewd.yaml");
    const config = {
      version: 1,
      issuers: { ca: { directory: "https://ca.example/dir", termsOfServiceAgreed: true } },
      solvers: { http: { type: "http-01" } },
      targets: {
        lb: { type: "files", bundle: "/srv/lb/{certificate}.pem" },
        spare: { type: "files", bundle: "/srv/spare/{certificate}.pem" },
      },
      defaults: { issuer: "ca", solver: "http" },
      certificates: { sacrificial, www },
      exercise: { certificate: "sacrificial", ...exercise },
      ...(canary !== undefined && { canary: { certificate: canary } }),
    };
    await writeFile(file, JSON.stringify(config)); // JSON is YAML.
    return await loadConfig(file);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

test("what is marked and shares nothing is taken, a month apart and with half an hour to acknowledge", async () => {
  const result = await load(GOOD, WWW, {});
  expect(result.ok && result.config.alerts.exercise).toEqual({
    ...{ certificate: "sacrificial", everyMs: 30 * 24 * 60 * MINUTE_MS, acknowledgeMs: 30 * MINUTE_MS },
  });
});

test.each<[string, Section, Section, Section, RegExp]>([
  ["is not marked", { sacrificial: false }, {}, {}, /would be broken on purpose.*`sacrificial: true`/],
  [
    "is not there",
    {},
    {},
    { certificate: "sacrifical" },
    /"sacrifical" is not defined under `certificates`.*sacrificial/,
  ],
  ["is the canary", {}, {}, { canary: "sacrificial" }, /is the canary, which must work/],
  ["is only observed", { mode: "observe" }, {}, {}, /is only observed/],
  ["has two targets", { targets: ["spare", "lb"] }, {}, {}, /must have exactly one target/],
  ["has no endpoint", { targets: ["spare"], endpoints: [] }, {}, {}, /has no endpoint/],
  ["shares a name", {}, { names: ["www.example.org", "sacrificial.example.org"] }, {}, /shares the name sacrificial/],
  [
    "shares an endpoint",
    {},
    { names: ["*.example.org"], endpoints: [PLACE] },
    {},
    /shares the endpoint spare.example.org:443/,
  ],
])("one that %s is refused", async (_, sacrificial, other, exercise, expected) => {
  expect((await problemsOf(sacrificial, other, exercise)).join("\n")).toMatch(expected);
});
