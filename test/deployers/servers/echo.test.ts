// Programs that check and reload a server can read its key: what they print is never quoted.
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { apache } from "../../../src/deployers/servers/apache.ts";
import { dovecot } from "../../../src/deployers/servers/dovecot.ts";
import { nginx } from "../../../src/deployers/servers/nginx.ts";
import { postfix } from "../../../src/deployers/servers/postfix.ts";
import type { Deployer } from "../../../src/domain/deployer.ts";
import { expectNoPiece, keysFor } from "../../conformance/keyEcho.ts";
import { createPairIssuer, type PairIssuer } from "../../support/pairs/issuedPairs.ts";
import { dependencies } from "../../support/pairs/targetSecrets.ts";

const NEVER = new AbortController().signal;

let root: string;
let issuer: PairIssuer;
beforeAll(async () => {
  [root, issuer] = [await mkdtemp(join(tmpdir(), "renewd-echo-")), await createPairIssuer()];
  // Once a new pair is in place; a program that refused everything would not be asked again.
  await writeFile(join(root, "program"), `#!/bin/sh\ncat ${join(root, "said")} >&2\nexit 1\n`);
  await chmod(join(root, "program"), 0o755);
});
afterAll(() => rm(root, { recursive: true }));

const common = (): Record<string, string> => ({
  bundle: join(root, "{certificate}.pem"),
  binary: join(root, "program"),
});
const SERVERS: readonly [string, string, () => Deployer][] = [
  [
    "nginx",
    "2026/11/29 01:13:18 [emerg] 123#123: ",
    () => nginx.create(nginx.options.parse(common()), dependencies("a")),
  ],
  ["apache", "AH00526: Syntax error: ", () => apache.create(apache.options.parse(common()), dependencies("a"))],
  ["postfix", "postfix: fatal: ", () => postfix.create(postfix.options.parse(common()), dependencies("a"))],
  ["dovecot", "doveconf: Fatal: ", () => dovecot.create(dovecot.options.parse(common()), dependencies("a"))],
];

it.each(SERVERS)(
  "shows no piece of a key that %s's program prints, also in lines like its errors",
  async (type, begin, make) => {
    const deployer = make();
    const pairs = await Promise.all(
      Array.from({ length: keysFor("ecdsa") }, (_, at) => issuer.issue({ certificate: `${type}${at}`, generation: 1 })),
    );
    await expectNoPiece({
      type,
      pairs,
      deploy: (pair) => deployer.deploy({ pair, previous: null }, NEVER),
      async repeats(text, asError) {
        const lines = text.split("\n").map((line) => `${asError ? begin : ""}${line}`);
        await writeFile(join(root, "said"), lines.join("\n"));
        return async () => undefined;
      },
    });
  },
);

it.each(SERVERS)(
  "shows what kind of error %s's program named, and where, but not what it quoted",
  async (type, begin, make) => {
    const pair = await issuer.issue({ certificate: `${type}-words`, generation: 1 });
    const file = join(root, "said");
    await writeFile(file, `some other line\n${begin}unknown directive "hunter2-and-more" in ${file}:12\n`);
    const error = await make()
      .deploy({ pair, previous: null }, NEVER)
      .catch((thrown: unknown) => thrown);
    expect(String(error)).toContain(`: ${begin.replace(/^[\d/]+ [\d:]+ /, "")}unknown directive "…" in ${file}:12`);
    expect(String(error)).not.toMatch(/hunter|other line/);
  },
);

it("counts what a program prints that is no error of its kind", async () => {
  const pair = await issuer.issue({ certificate: "counted", generation: 1 });
  await writeFile(join(root, "said"), "something went wrong\n");
  const error = await nginx
    .create(nginx.options.parse(common()), dependencies("a"))
    .deploy({ pair, previous: null }, NEVER)
    .catch((thrown: unknown) => thrown);
  expect(String(error)).toMatch(/exit code 1: it printed 21 bytes, not shown because it could read the private key/);
});
