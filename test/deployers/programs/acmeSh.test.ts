import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { acmeSh } from "../../../src/deployers/programs/acmeSh.ts";
import type { Deployer } from "../../../src/domain/deployer.ts";
import { deployerConformance } from "../../conformance/deployer.ts";
import { createAcmeShHome } from "../../support/pairs/acmeShHome.ts";
import { createPairIssuer, type PairIssuer } from "../../support/pairs/issuedPairs.ts";
import { dependencies } from "../../support/pairs/targetSecrets.ts";
import { storedFingerprint } from "../../support/servers/served.ts";

const NEVER = new AbortController().signal;

function make(options: Record<string, unknown>, secrets: Record<string, string> = {}): Deployer {
  return acmeSh.create(acmeSh.options.parse(options), dependencies("nas", secrets));
}

deployerConformance("acme.sh", async () => {
  const root = await mkdtemp(join(tmpdir(), "renewd-acmesh-"));
  const home = await createAcmeShHome(join(root, "acme.sh"));
  const installed = join(root, "installed.pem");
  const install = `cat "$2" "$5" > ${installed}.new && mv ${installed}.new ${installed}`;
  await home.hook("mine", install);
  const stored = (): Promise<string | null> => storedFingerprint(installed);
  return {
    deployer: make({ home: home.path, hook: "mine", record: join(root, "{certificate}.json") }),
    stored,
    served: stored,
    async repeats(text, onStderr) {
      await writeFile(join(root, "said"), text);
      await home.hook("mine", `cat ${root}/said ${onStderr ? ">&2" : ""}; return 1`);
      return () => home.hook("mine", install);
    },
    async breakDown() {
      await home.hook("mine", 'cat "$2" >&2; return 1');
      return { code: "deploy.commandFailed", mend: () => home.hook("mine", install) };
    },
    [Symbol.asyncDispose]: () => rm(root, { recursive: true }),
  };
});

describe("acme.sh", () => {
  let root: string;
  let issuer: PairIssuer;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), "renewd-acmesh-"));
    await mkdir(join(root, "state"));
    issuer = await createPairIssuer();
  });
  afterEach(() => rm(root, { recursive: true }));
  const record = (): string => join(root, "state", "{certificate}.json");

  it("calls the hook with what acme.sh gives it, variables and functions of acme.sh included", async () => {
    const home = await createAcmeShHome(join(root, "acme.sh"));
    await home.hook(
      "mine",
      `printf '%s\\n' "$1" "$(cat "$2" "$3" "$4" "$5" | grep -c BEGIN)" "$DEPLOY_HOST" "$DEPLOY_PASSWORD" "$Le_Domain" "$Le_Alt" "$Le_Keylength" "$#" > ${root}/seen
_savedeployconf DEPLOY_PASSWORD "$DEPLOY_PASSWORD"
cp "$DOMAIN_CONF" ${root}/saved`,
    );
    const pair = await issuer.issue({ certificate: "www", generation: 1, names: ["*.example.test", "example.test"] });
    const hostile = "p'$(touch pwned) \"; x";
    const deployer = make(
      {
        home: home.path,
        hook: "mine",
        record: record(),
        environment: { DEPLOY_HOST: "$(id)" },
        secretEnvironment: { DEPLOY_PASSWORD: "env:PW" },
      },
      { PW: hostile },
    );
    await deployer.deploy({ pair, previous: null }, NEVER);
    const names = ["*.example.test", "*.example.test", "example.test", "ec-256"];
    expect(await readFile(join(root, "seen"), "utf8")).toBe(
      `${[names[0], "5", "$(id)", hostile, ...names.slice(1), "6"].join("\n")}\n`,
    );
    expect(await readFile(join(root, "saved"), "utf8")).toContain("SAVED_DEPLOY_PASSWORD");
    expect((await readdir(join(root, "state"))).sort()).toEqual([".www.json.lock", "www.json"]);
    expect((await readdir(home.path)).sort()).toEqual(["acme.sh", "deploy"]);
  });

  it("shows that a hook failed, by its name, and how much it printed", async () => {
    const home = await createAcmeShHome(join(root, "acme.sh"));
    await home.hook("mine", '_err "the NAS does not take $DEPLOY_PASSWORD"; return 1');
    const deployer = make(
      { home: home.path, hook: "mine", record: record(), secretEnvironment: { DEPLOY_PASSWORD: "env:PW" } },
      { PW: "hush-hush-hush" },
    );
    const pair = await issuer.issue({ certificate: "www", generation: 1 });
    await expect(deployer.deploy({ pair, previous: null }, NEVER)).rejects.toMatchObject({
      code: "deploy.commandFailed",
      message: expect.stringMatching(
        /^`acme\.sh deploy hook mine` ended with exit code 1: it printed \d\d+ bytes, not shown/,
      ),
    });
  });

  it("says which file of acme.sh is missing, in preflight too", async () => {
    const home = await createAcmeShHome(join(root, "acme.sh"));
    const deployer = make({ home: home.path, hook: "absent", record: record() });
    const pair = await issuer.issue({ certificate: "www", generation: 1 });
    const missing = {
      code: "deploy.refused",
      message: expect.stringContaining(join(home.path, "deploy", "absent.sh")),
    };
    await expect(deployer.preflight?.("www", null, NEVER)).rejects.toMatchObject(missing);
    await expect(deployer.deploy({ pair, previous: null }, NEVER)).rejects.toMatchObject(missing);
    await writeFile(join(home.path, "deploy", "absent.sh"), "other_deploy() { :; }\n");
    await expect(deployer.deploy({ pair, previous: null }, NEVER)).rejects.toMatchObject({
      code: "deploy.commandFailed",
    });
  });

  it.each([
    { hook: "../evil" },
    { hook: "a b" },
    { home: "relative" },
    { record: "x.json" },
    { secretEnvironment: { A: "plain" } },
  ])("refuses the options %j", (wrong) => {
    const options = { home: "/opt/acme.sh", hook: "synology_dsm", record: "/var/lib/renewd/{certificate}.json" };
    expect(acmeSh.options.safeParse(options).success).toBe(true);
    expect(acmeSh.options.safeParse({ ...options, ...wrong }).success).toBe(false);
  });
});
