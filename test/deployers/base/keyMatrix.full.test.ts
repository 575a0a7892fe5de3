// 300 keys in every spelling through the check that stands behind every deployer: what leaves it goes to history, logs
// and notifications.
import { generateKeyPairSync } from "node:crypto";
import { inspect } from "node:util";
import { beforeAll, expect, it } from "vitest";
import { guardKey } from "../../../src/deployers/base/guardKey.ts";
import type { Deployer } from "../../../src/domain/deployer.ts";
import { RenewalError } from "../../../src/domain/errors.ts";
import { Secret } from "../../../src/domain/secret.ts";
import type { IssuedCertificate } from "../../../src/domain/version.ts";
import { createPairIssuer } from "../../support/pairs/issuedPairs.ts";
import { KEY_SPELLINGS, pieceFinder, thirtyKeys } from "../../support/pairs/keySpellings.ts";

const KEYS = 300;
const NEVER = new AbortController().signal;
const EVERYTHING = { depth: 10, showHidden: true, maxStringLength: null, maxArrayLength: null } as const;

interface Case {
  readonly pair: IssuedCertificate;
  readonly pieces: (text: string) => string[];
}

let cases: Case[];
beforeAll(async () => {
  const issued = await (await createPairIssuer()).issue({ certificate: "www", generation: 1 });
  const more = Array.from({ length: KEYS }, () => generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey).map(
    (key) => key.export({ type: "pkcs8", format: "pem" }).toString(),
  );
  cases = [...thirtyKeys(), ...more].slice(0, KEYS).map((pem) => ({
    pair: { ...issued, privateKey: new Secret(pem) },
    pieces: pieceFinder(pem),
  }));
});

/** Where a vendor's library may keep what the target said. */
const WAYS: readonly ((said: string) => Deployer["deploy"])[] = [
  (said) => () => Promise.reject(new RenewalError("deploy.refused", `the target says: ${said}`)),
  (said) => () => Promise.reject(new RenewalError("deploy.refused", "no", { cause: new Error(said) })),
  (said) => () =>
    Promise.reject(Object.assign(new Error("no"), { response: { body: Buffer.from(said), status: 400 } })),
  (said) => async () => ({ generation: 1, note: said, [said.slice(0, 400)]: "a name" }),
];

it.each(Object.entries(KEY_SPELLINGS))(
  "no piece of 300 keys leaves a deployer, written as %s",
  async (_name, spell) => {
    for (const [seed, { pair, pieces }] of cases.entries()) {
      const said = spell(pair.privateKey.reveal(), seed);
      const deploy = WAYS[seed % WAYS.length]?.(said) ?? expect.unreachable();
      const plugin = { type: "x", description: "x", options: expect.anything(), create: () => ({ deploy }) };
      const outcome = await guardKey(plugin)
        .create({}, {})
        .deploy({ pair, previous: null }, NEVER)
        .catch((error: unknown) => error);
      const shown = inspect(outcome, EVERYTHING).replace(/^ +at .*$/gm, "");
      expect(pieces(shown), `key ${seed}`).toEqual([]);
    }
  },
);
