import { expect, it } from "vitest";
import { configFile } from "./configFile.ts";

const file = (certificate: string, quarantined = "", defaults = "") => `version: 1
issuers:
  le: { directory: "https://le.example/dir", termsOfServiceAgreed: true ${quarantined} }
  zero: { directory: "https://zero.example/dir", termsOfServiceAgreed: true }
solvers: { http: { type: http-01 } }
targets: { disk: { type: files, directory: /srv/tls, bundle: "{certificate}.pem" } }
defaults: { solver: http, targets: [disk] ${defaults} }
certificates:
  www: { names: [www.example.org], endpoints: [www.example.org], ${certificate} }
`;

const problems = async (text: string): Promise<string[]> => {
  await using config = await configFile(text);
  return config.problems();
};

it.each([
  ["issuer: le", "", "", "le", []],
  ["issuers: [le, zero]", "", "", "le", ["zero"]],
  ["issuers: [le, zero]", ", quarantined: true", "", "zero", []],
  ["keyType: rsa-2048", "", ", issuers: [zero, le]", "zero", ["le"]],
  ["issuer: le", "", ", issuers: [zero, le]", "le", []],
])("%s%s%s means issuer %s, then %j", async (certificate, quarantined, defaults, issuer, fallbacks) => {
  await using config = await configFile(file(certificate, quarantined, defaults));
  expect((await config.config()).certificates[0]).toMatchObject({ issuer, fallbacks });
});

it("a certificate left with quarantined issuers only, both spellings, or an unknown or doubled one are mistakes", async () => {
  expect(await problems(file("issuer: le", ", quarantined: true"))).toEqual([
    expect.stringContaining('has only issuers that are quarantined ("le"): name another'),
  ]);
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
