import { beforeAll, describe, expect, it } from "vitest";
import { layoutProblem, secretText } from "../../../src/deployers/base/secretLayout.ts";
import type { IssuedCertificate } from "../../../src/domain/version.ts";
import { createPairIssuer } from "../../support/pairs/issuedPairs.ts";

describe("the text of a secret in AWS Secrets Manager", () => {
  let pair: IssuedCertificate;
  beforeAll(async () => {
    pair = await (await createPairIssuer()).issue({ certificate: "www", generation: 7 });
  });
  const json = (options: Omit<Parameters<typeof secretText>[1], "layout">) =>
    JSON.parse(secretText(pair, { layout: "json", ...options }).reveal());

  it("has every part by its own name", () => {
    expect(json({})).toEqual({
      certificate: pair.leafPem,
      chain: pair.chainPem.join(""),
      fullchain: pair.leafPem + pair.chainPem.join(""),
      privateKey: pair.privateKey.reveal(),
      generation: 7,
      fingerprint: pair.leaf.fingerprint,
    });
  });

  it("names the members as asked and leaves out the others", () => {
    expect(json({ keys: { fullchain: "tls.crt", privateKey: "tls.key" } })).toEqual({
      "tls.crt": pair.leafPem + pair.chainPem.join(""),
      "tls.key": pair.privateKey.reveal(),
    });
  });

  it("is a bundle with `layout: pem`", () => {
    expect(secretText(pair, { layout: "pem" }).reveal()).toBe(
      pair.privateKey.reveal() + pair.leafPem + pair.chainPem.join(""),
    );
  });

  it.each([
    [{ layout: "pem", keys: { privateKey: "k", certificate: "c" } }, "layout: json"],
    [{ layout: "json", keys: { certificate: "c" } }, "at least"],
    [{ layout: "json", keys: { privateKey: "k" } }, "at least"],
    [{ layout: "json", keys: { privateKey: "k", certificate: "k" } }, "same name"],
  ] as const)("cannot be %j", (options, why) => {
    expect(layoutProblem(options)).toContain(why);
  });

  it.each([
    { layout: "json" },
    { layout: "pem" },
    { layout: "json", keys: { privateKey: "k", fullchain: "c" } },
    { layout: "json", keys: { privateKey: "k", certificate: "c", chain: undefined, generation: undefined } },
  ] as const)("can be %j", (options) => {
    expect(layoutProblem(options)).toBeNull();
  });
});
