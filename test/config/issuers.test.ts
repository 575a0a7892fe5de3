import { expect, it } from "vitest";
import { createRoot } from "../support/ca/pki.ts";
import { configFile } from "./configFile.ts";

const file = (certificate: string, distrusted = "", defaults = "") => `version: 1
issuers:
  le: { directory: "https://le.example/dir", termsOfServiceAgreed: true ${distrusted} }
  zero: { directory: "https://zero.example/dir", termsOfServiceAgreed: true }
solvers: { http: { type: http-01 } }
targets: { disk: { type: files, directory: /srv/tls, bundle: "{certificate}.pem" } }
defaults: { solver: http, targets: [disk] ${defaults} }
certificates:
  www: { names: [www.example.org], endpoints: [www.example.org], ${certificate} }
`;

const problems = async (text: string): Promise<string[]> => {
  await using config = await configFile(text);
  return await config.problems();
};

it.each([
  ["issuer: le", "", "", "le", []],
  ["issuers: [le, zero]", "", "", "le", ["zero"]],
  ["issuers: [le, zero]", ", distrusted: true", "", "zero", []],
  ["keyType: rsa-2048", "", ", issuers: [zero, le]", "zero", ["le"]],
  ["issuer: le", "", ", issuers: [zero, le]", "le", []],
])("%s%s%s means issuer %s, then %j", async (certificate, distrusted, defaults, issuer, fallbacks) => {
  await using config = await configFile(file(certificate, distrusted, defaults));
  expect((await config.config()).certificates[0]).toMatchObject({ issuer, fallbacks });
});

it("the old name of `distrusted` is still read, with a note that says the new name; both are a mistake", async () => {
  await using config = await configFile(file("issuers: [le, zero]", ", quarantined: true"));
  const { certificates, issuers, notes } = await config.config();
  expect(certificates[0]?.issuer).toBe("zero");
  expect(issuers.get("le")).toMatchObject({ distrusted: true });
  expect(issuers.get("le")).not.toHaveProperty("quarantined");
  expect(notes).toEqual([
    expect.objectContaining({
      line: 3,
      message: "issuers.le.quarantined: is called `distrusted` now: rename it; the old name still works",
    }),
  ]);
  expect(await problems(file("issuer: zero", ", quarantined: true, distrusted: false"))).toEqual([
    expect.stringMatching(/^3:\d+ issuers\.le\.quarantined: is the old name of `distrusted`, which is set as well/),
  ]);
});

it("a certificate whose issuers are all distrusted is accepted with a note: everything else goes on", async () => {
  await using config = await configFile(file("issuer: le", ", distrusted: true"));
  const { certificates, notes } = await config.config();
  expect(certificates).toMatchObject([{ issuer: "le", fallbacks: [], allDistrusted: true }]);
  expect(notes.map(({ message }) => message)).toEqual([
    'certificates.www: has only issuers that are distrusted ("le"), so nothing renews it: name another',
  ]);
});

it("`issuer` beside `issuers`, or an unknown or doubled issuer are mistakes", async () => {
  expect(await problems(file("issuer: le, issuers: [zero]"))).toEqual([
    expect.stringContaining("cannot be used beside `issuer`"),
  ]);
  expect(await problems(file("issuers: [le, zerro]"))).toEqual([
    expect.stringContaining('"zerro" is not defined under `issuers`'),
  ]);
  expect(await problems(file("issuers: [le, le]"))).toEqual([expect.stringContaining("is listed twice")]);
  expect(await problems(file("keyType: rsa-2048"))).toEqual([expect.stringContaining("names no issuer")]);
});

it("a fallback that changes is a change of the certificate; the public suffix list is none", async () => {
  const digest = async (text: string): Promise<string | undefined> => {
    await using config = await configFile(text);
    return (await config.config()).certificates[0]?.digest;
  };
  const one = await digest(file("issuer: le"));
  expect(await digest(file("issuers: [le]"))).toBe(one);
  expect(await digest(file("issuers: [le, zero]"))).not.toBe(one);
});

it.each<[string, string, string, boolean]>([
  ["contact", 'contact: ["ops@example.org"]', "", false],
  ["limits", "limits: { ordersPerAccount: { max: 1, per: 1h } }", "", false],
  ["orderTimeout", "orderTimeout: 1h", "", false],
  ["verifyTimeout", "", "verifyTimeout: 90s", false],
  ["renewal", "", "renewal: { atFractionLeft: 0.4 }", false],
  ["another fallback", "", "issuers: [le, zero]", false],
  ["an endpoint's target", "", "targets: [disk]", false],
  ["the key's type", "", "keyType: rsa-2048", true],
  ["the profile", "", "profile: shortlived", true],
  ["the CA", "", "issuers: [zero, le]", true],
])("%s changes what is issued: %s%s: %s", async (_, issuerOption, certificateOption, isChanged) => {
  const load = async (option: string, entry: string) => {
    await using config = await configFile(file(entry === "" ? "issuer: le" : entry, option && `, ${option}`));
    return (await config.config()).certificates[0];
  };
  const before = await load("", "");
  const entry = certificateOption.startsWith("issuers:") ? certificateOption : `issuer: le, ${certificateOption}`;
  const after = await load(issuerOption, entry);
  expect(after?.issueDigest === before?.issueDigest).toBe(!isChanged);
});

it("a trust file is known by its content: relative or absolute is one configuration, another content is not", async () => {
  const { certPem } = await createRoot();
  const other = await createRoot();
  await using config = await configFile("");
  const path = await config.write("ca.pem", certPem);
  const digest = async (trust: string): Promise<string | undefined> => {
    await config.write("renewd.yaml", file("issuer: le", `, trust: ${trust}`));
    return (await config.config()).certificates[0]?.digest;
  };
  const one = await digest("ca.pem");
  expect(await digest(path)).toBe(one);
  await config.write("ca.pem", other.certPem);
  expect(await digest("ca.pem")).not.toBe(one);
});
