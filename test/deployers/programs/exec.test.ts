import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { exec } from "../../../src/deployers/programs/exec.ts";
import type { Deployer } from "../../../src/domain/deployer.ts";
import type { IssuedCertificate } from "../../../src/domain/version.ts";
import { deployerConformance } from "../../conformance/deployer.ts";
import { createPairIssuer, type PairIssuer } from "../../support/pairs/issuedPairs.ts";
import { dependencies } from "../../support/pairs/targetSecrets.ts";
import { storedFingerprint } from "../../support/servers/served.ts";
import { until } from "../../support/until.ts";

const NEVER = new AbortController().signal;

function make(options: Record<string, unknown>, secrets: Record<string, string> = {}): Deployer {
  return exec.create(exec.options.parse(options), dependencies("appliance", secrets));
}

deployerConformance("exec", async () => {
  const root = await mkdtemp(join(tmpdir(), "renewd-exec-"));
  const [program, installed] = [join(root, "install.sh"), join(root, "installed.pem")];
  const install = `cat "$RENEWD_PRIVKEY" "$RENEWD_FULLCHAIN" > ${installed}.new && mv ${installed}.new ${installed}`;
  await writeFile(program, install);
  const stored = (): Promise<string | null> => storedFingerprint(installed);
  return {
    deployer: make({ command: ["sh", program], record: join(root, "{certificate}.json") }),
    stored,
    served: stored,
    async repeats(text, onStderr) {
      await writeFile(join(root, "said"), text);
      await writeFile(program, `cat ${root}/said ${onStderr ? ">&2" : ""}; exit 3`);
      return () => writeFile(program, install);
    },
    async breakDown() {
      await writeFile(program, 'cat "$RENEWD_PRIVKEY" >&2; exit 3');
      return { code: "deploy.commandFailed", mend: () => writeFile(program, install) };
    },
    [Symbol.asyncDispose]: () => rm(root, { recursive: true }),
  };
});

describe("exec", () => {
  let root: string;
  let issuer: PairIssuer;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), "renewd-exec-"));
    issuer = await createPairIssuer();
  });
  afterEach(() => rm(root, { recursive: true }));

  const issue = (generation: number) => issuer.issue({ certificate: "www", generation, names: ["www.test", "test"] });
  const shell = (script: string, more: Record<string, unknown> = {}, secrets: Record<string, string> = {}) =>
    make({ command: ["sh", "-c", script], record: join(root, "{certificate}.json"), ...more }, secrets);
  const deploy = (deployer: Deployer, pair: IssuedCertificate, signal = NEVER) =>
    deployer.deploy({ pair, previous: null }, signal);

  it("gives the program what it needs, and nothing of the worker's environment", async () => {
    process.env.RENEWD_TEST_PLANTED = "planted";
    try {
      const pair = await issue(7);
      const script = `env > ${root}/env; for file in CERT CHAIN FULLCHAIN PRIVKEY; do eval "cp \\"\\$RENEWD_$file\\" ${root}/$file"; done`;
      await deploy(
        shell(
          script,
          { environment: { REGION: "eu" }, secretEnvironment: { TOKEN: "env:API_TOKEN" } },
          { API_TOKEN: "hush hush" },
        ),
        pair,
      );
      const env = Object.fromEntries(
        (await readFile(join(root, "env"), "utf8")).split("\n").map((line) => line.split(/=(.*)/s).slice(0, 2)),
      );
      expect(env).toMatchObject({
        ...{
          RENEWD_TARGET: "appliance",
          RENEWD_CERTIFICATE: "www",
          RENEWD_NAMES: "www.test test",
          RENEWD_GENERATION: "7",
        },
        ...{ RENEWD_FINGERPRINT: pair.leaf.fingerprint, REGION: "eu", TOKEN: "hush hush" },
      });
      expect(env).not.toHaveProperty("RENEWD_TEST_PLANTED");
      const [leaf, chain] = [pair.leafPem.trimEnd(), pair.chainPem.join("").trimEnd()];
      const handed = await Promise.all(
        ["CERT", "CHAIN", "FULLCHAIN", "PRIVKEY"].map((name) => readFile(join(root, name), "utf8")),
      );
      expect(handed).toEqual([`${leaf}\n`, `${chain}\n`, `${leaf}\n${chain}\n`, pair.privateKey.reveal()]);
    } finally {
      delete process.env.RENEWD_TEST_PLANTED;
    }
  });

  it("lets no other user read the files, and removes them also when the program failed", async () => {
    const look = `stat -c %a "$(dirname "$RENEWD_CERT")" "$RENEWD_CERT" "$RENEWD_PRIVKEY" > ${root}/modes; touch "$(dirname "$RENEWD_CERT")/mess"`;
    await deploy(shell(look), await issue(1));
    expect(await readFile(join(root, "modes"), "utf8")).toBe("700\n600\n600\n");
    await deploy(shell(`${look}; exit 1`), await issue(2)).catch(() => undefined);
    expect((await readdir(root)).sort()).toEqual([".www.json.lock", "modes", "www.json"]);
  });

  it("removes the files of an attempt that was killed", async () => {
    await mkdir(join(root, ".www.json.files"));
    await writeFile(join(root, ".www.json.files", "privkey.pem"), "an old key");
    await deploy(shell(`ls "$(dirname "$RENEWD_CERT")" > ${root}/list`), await issue(1));
    expect((await readFile(join(root, "list"), "utf8")).split("\n")).toEqual([
      "cert.pem",
      "chain.pem",
      "fullchain.pem",
      "privkey.pem",
      "",
    ]);
    expect(await readdir(root)).not.toContain(".www.json.files");
  });

  it.each([
    [1, "deploy.commandFailed"],
    [75, "deploy.rateLimited"],
    [77, "deploy.forbidden"],
    [78, "deploy.refused"],
  ])("takes exit code %i for %s and shows how much the program printed, but nothing of it", async (code, expected) => {
    const script = `cat "$RENEWD_PRIVKEY" >&2; echo "token $TOKEN is spent" >&2; exit ${code}`;
    const pair = await issue(1);
    const deployer = shell(script, { secretEnvironment: { TOKEN: "env:API_TOKEN" } }, { API_TOKEN: "hush-hush-hush" });
    const error = await deploy(deployer, pair).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: expected, message: expect.stringContaining(`exit code ${code}`) });
    const bytes = pair.privateKey.reveal().length + "token hush-hush-hush is spent\n".length;
    expect(String(error)).toContain(`it printed ${bytes} bytes, not shown`);
    expect(String(error)).not.toContain("hush");
    expect(String(error)).not.toContain(pair.privateKey.reveal().split("\n")[1]);
  });

  it("forgets a generation the program says it did not take, so that the one before may follow", async () => {
    const [old, pair] = [await issue(1), await issue(2)];
    await deploy(shell("exit 0"), old);
    await deploy(shell("exit 78"), pair).catch(() => undefined);
    expect(JSON.parse(await readFile(join(root, "www.json"), "utf8"))).toMatchObject({ generation: 1 });
    await expect(deploy(shell("exit 0"), old)).resolves.toMatchObject({ generation: 1 });
  });

  it("remembers a generation whose program was ended half-way, because it may have installed the pair", async () => {
    const pair = await issue(2);
    await expect(deploy(shell("sleep 300", { timeout: "300ms" }), pair)).rejects.toMatchObject({
      code: "deploy.timeout",
    });
    await expect(deploy(shell("exit 0"), await issue(1))).rejects.toMatchObject({ code: "deploy.newerGeneration" });
    await expect(deploy(shell("exit 0"), pair)).resolves.toMatchObject({ generation: 2 });
  });

  it("runs two generations of one certificate one after the other, but two certificates at the same time", async () => {
    const meet = (mine: string, other: string): Deployer =>
      make({
        command: ["sh", "-c", `touch ${root}/${mine}; while ! [ -e ${root}/${other} ]; do sleep 0.05; done`],
        record: join(root, "{certificate}.json"),
      });
    const [a, b] = [
      await issuer.issue({ certificate: "a", generation: 1 }),
      await issuer.issue({ certificate: "b", generation: 1 }),
    ];
    await Promise.all([deploy(meet("in-a", "in-b"), a), deploy(meet("in-b", "in-a"), b)]);

    const alone = shell(`mkdir ${root}/inside || exit 9; sleep 0.2; rmdir ${root}/inside`);
    const outcomes = await Promise.allSettled(
      [1, 2, 3].map(async (generation) => deploy(alone, await issue(generation))),
    );
    const codes = outcomes.map((outcome) => (outcome.status === "fulfilled" ? "deployed" : outcome.reason.code));
    expect(new Set([...codes, "deployed", "deploy.newerGeneration"]).size).toBe(2);
    expect(JSON.parse(await readFile(join(root, "www.json"), "utf8"))).toMatchObject({ generation: 3 });
  });

  it("ends the program with the caller's reason when cancelled, and removes its files", async () => {
    const controller = new AbortController();
    const stop = new Error("stop");
    const running = deploy(shell(`touch ${root}/running; sleep 300`), await issue(1), controller.signal);
    running.catch(() => undefined);
    await until("the program to run", async () => stat(join(root, "running")).catch(() => null));
    controller.abort(stop);
    await expect(running).rejects.toBe(stop);
    expect(await readdir(root)).not.toContain(".www.json.files");
  });

  it("reports in preflight what would make it impossible", async () => {
    const preflight = (options: Record<string, unknown>) =>
      make({ command: ["true"], record: join(root, "r.json"), ...options }).preflight?.("www", null, NEVER);
    await expect(preflight({})).resolves.toBeUndefined();
    await expect(preflight({ command: ["/no/such/program"] })).rejects.toMatchObject({ code: "deploy.commandFailed" });
    await expect(preflight({ record: "/no/such/directory/r.json" })).rejects.toMatchObject({ code: "deploy.io" });
    await expect(preflight({ secretEnvironment: { TOKEN: "env:NOT_SET" } })).rejects.toMatchObject({
      code: "config.secret",
    });
    expect((await readdir(root)).filter((name) => !name.endsWith(".lock"))).toEqual([]);
  });

  it.each([
    [{ command: "echo" }, "expected"],
    [{ record: "relative.json" }, "absolute"],
    [{ record: undefined }, "record"],
    [{ environment: { "A-B": "c" } }, "environment variable"],
    [{ environment: { RENEWD_CERT: "c" } }, "RENEWD_"],
    [{ secretEnvironment: { TOKEN: "hunter2" } }, "env:NAME"],
  ])("refuses the options %j", (wrong, why) => {
    const result = exec.options.safeParse({ command: ["true"], record: "/r.json", ...wrong });
    expect(result.success).toBe(false);
    expect(JSON.stringify(result.error?.issues)).toContain(why);
  });
});
