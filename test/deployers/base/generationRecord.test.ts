// Which of two pairs a target keeps, the broken one of an exercise among them.
import { createPrivateKey, X509Certificate } from "node:crypto";
import { expect, test } from "vitest";
import { isNewer } from "../../../src/deployers/aws/secretVersion.ts";
import { isAhead, parseRecord, recordText } from "../../../src/deployers/base/generationRecord.ts";
import { Secret } from "../../../src/domain/secret.ts";
import { DAY_MS } from "../../../src/domain/time.ts";
import type { IssuedCertificate } from "../../../src/domain/version.ts";
import { createExpiredPair } from "../../../src/x509/expiredPair.ts";
import { readLeaf } from "../../../src/x509/leaf.ts";
import { createRoot } from "../../support/ca/pki.ts";

const NAME = "sacrificial.example.org";

test("a broken pair takes the place of its generation and of no newer, and the good one comes back", async () => {
  const now = Date.now();
  const { certPem, keyPem } = await (await createRoot()).issue({
    names: [NAME],
    notBefore: new Date(now - 40 * DAY_MS),
  });
  const good = (generation: number): IssuedCertificate => {
    const pair = { leaf: readLeaf(certPem), leafPem: certPem, chainPem: [], privateKey: new Secret(keyPem) };
    return { certificate: "sacrificial", generation, ...pair };
  };
  const expired = await createExpiredPair(good(1).leaf, now);
  const broken: IssuedCertificate = { certificate: "sacrificial", generation: 1, ...expired };
  const held = (pair: IssuedCertificate) => parseRecord(recordText(pair));
  expect(isAhead(held(good(1)), broken)).toBe(false);
  expect(isAhead(held(good(2)), broken)).toBe(true);
  expect(isAhead(held(broken), good(1))).toBe(false);
  expect(isAhead(held(broken), good(2))).toBe(false);
  const version = { generation: 1, notBeforeS: Math.floor(good(1).leaf.notBefore / 1_000) };
  expect([isNewer(version, broken), isNewer({ ...version, generation: 2 }, broken)]).toEqual([false, true]);

  // Any server loads it, and any client sees what is wrong with it.
  const certificate = new X509Certificate(expired.leafPem);
  expect(certificate.checkHost(NAME)).toBe(NAME);
  expect(certificate.checkPrivateKey(createPrivateKey(expired.privateKey.reveal()))).toBe(true);
  expect(certificate.verify(certificate.publicKey)).toBe(true);
  expect(certificate.validToDate.getTime()).toBeLessThan(now);
  expect(certificate.validFromDate.getTime()).toBeLessThan(certificate.validToDate.getTime());
});
