import { describe, expect, test } from "vitest";
import { configFile } from "./configFile.ts";

/** Three targets, and one certificate with these lines more. */
function file(lines: string, defaults = ""): string {
  return `version: 1
issuers: { le: { directory: "https://acme.example/directory", contact: [a@example.org], termsOfServiceAgreed: true } }
solvers: { web: { type: http-01 } }
targets:
  canary: { type: files, fullchain: /tls/canary.pem }
  a: { type: files, fullchain: /tls/a.pem }
  b: { type: files, fullchain: /tls/b.pem, agent: true }
defaults: { issuer: le, solver: web${defaults} }
certificates:
  www:
    names: [www.example.org]
    endpoints: ["www.example.org:443"]
    ${lines}
`;
}

const loaded = async (text: string) => {
  await using written = await configFile(text);
  const config = await written.config();
  const [www] = config.certificates;
  if (www === undefined) throw new Error("no certificate was loaded");
  return { config, www };
};
const problems = async (text: string): Promise<string[]> => {
  await using written = await configFile(text);
  return await written.problems();
};

const WAVES = "waves: [{ targets: [canary], bake: 15m, failureBudget: 1 }, { targets: [a, b] }]";

describe("waves", () => {
  test("name the targets, and hold when one fails", async () => {
    const { www } = await loaded(file(WAVES));
    expect(www.targets).toEqual(["canary", "a", "b"]);
    expect(www.waves).toEqual([
      { targets: ["canary"], bakeMs: 900_000, failureBudget: 1 },
      { targets: ["a", "b"], bakeMs: 0, failureBudget: 0 },
    ]);
    expect(www.onWaveFailure).toBe("hold");
  });

  test("come from the defaults, unless the certificate has targets of its own", async () => {
    const defaults = `, ${WAVES}, onWaveFailure: rollBack`;
    expect((await loaded(file("keyType: rsa-2048", defaults))).www).toMatchObject({
      targets: ["canary", "a", "b"],
      onWaveFailure: "rollBack",
    });
    expect((await loaded(file("targets: [a]", defaults))).www).toMatchObject({
      targets: ["a"],
      waves: [],
      onWaveFailure: "rollBack",
    });
  });

  test("do not make a certificate another one: adding them deploys nothing anew", async () => {
    const [plain, staged] = await Promise.all([loaded(file("targets: [canary, a, b]")), loaded(file(WAVES))]);
    expect(staged.www.digest).toBe(plain.www.digest);
  });

  test.each([
    [
      "beside targets",
      "targets: [a]\n    waves: [{ targets: [b] }]",
      "13:5 certificates.www.targets: cannot be used beside `waves`, which name the targets: keep one of them",
    ],
    [
      "with an unknown target",
      "waves: [{ targets: [canari] }]",
      '13:25 certificates.www.waves[0].targets[0]: "canari" is not defined under `targets`, did you mean "canary"?',
    ],
    [
      "with a target in two of them",
      "waves: [{ targets: [a] }, { targets: [b, a] }]",
      '13:46 certificates.www.waves[1].targets[1]: "a" is listed twice: remove one',
    ],
    ["without targets", "waves: [{ targets: [] }]", "13:24 certificates.www.waves[0].targets: needs at least 1"],
  ])("are refused %s", async (_what, lines, problem) => {
    expect(await problems(file(lines))).toEqual([problem]);
  });
});

describe("a target's agent", () => {
  test("is told of a target, not of the kind's options", async () => {
    const { config } = await loaded(file("targets: [a, b]"));
    expect([config.targets.get("a")?.agent, config.targets.get("b")?.agent]).toEqual([false, true]);
  });

  test("is no option of solvers", async () => {
    const [problem] = await problems(
      file("targets: [a]").replace("web: { type: http-01 }", "web: { type: http-01, agent: true }"),
    );
    expect(problem).toContain("solvers.web.agent");
  });
});

describe("the secret of an external account", () => {
  test("is left alone until an account is registered, so it may be missing", async () => {
    const account = "externalAccount: { keyId: k, hmacKey: env:CA_HMAC }";
    const text = file("targets: [a]").replace("contact: [a@example.org]", `contact: [a@example.org], ${account}`);
    expect(await problems(text)).toEqual([]);
    await using written = await configFile(text);
    const result = await written.load({});
    const externalAccount = { keyId: "k", hmacKey: { kind: "env", at: "CA_HMAC" } };
    expect(result.ok && result.config.issuers.get("le")?.externalAccount).toEqual(externalAccount);
  });
});
