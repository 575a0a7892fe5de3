import { dirname, join } from "node:path";
import { expect, it } from "vitest";
import { haproxy } from "../../../src/deployers/haproxy/haproxy.ts";
import { createRivals } from "../../../src/deployers/haproxy/rivals.ts";
import { createPairIssuer } from "../../support/pairs/issuedPairs.ts";
import { dependencies } from "../../support/pairs/targetSecrets.ts";
import { startHaproxy } from "../../support/servers/haproxy.ts";
import { startHaproxyRelay } from "../../support/servers/haproxyRelay.ts";

const NEVER = new AbortController().signal;

/** A HAProxy that serves `count` other files for `other.test`, and what is asked of it. */
async function startBeside(count: number) {
  await using stack = new AsyncDisposableStack();
  const issuer = await createPairIssuer();
  const pairs = [await issuer.issue({ certificate: "other", generation: 1 })];
  const held = pairs.map((pair) => ({ certPem: pair.leafPem, keyPem: pair.privateKey.reveal() }));
  const names = Array.from({ length: count }, (_, index) => `other-${index}`);
  const certificates = Object.fromEntries(names.flatMap((name) => held.map((pair) => [name, pair])));
  const server = stack.use(await startHaproxy({ certificates }));
  const relay = stack.use(await startHaproxyRelay(server.socket, join(dirname(server.socket), "relay.sock")));
  const kept = stack.move();
  return { issuer, server, relay, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

/** Kinds of lines, with the files left out. A line that met HAProxy's lock on certificates was sent again. */
function kinds(lines: readonly string[], directory: string): string[] {
  const once = lines.filter((line, index) => line !== lines[index - 1]);
  const shown = once.map((line) => line.replaceAll(`${directory}/www.pem`, "WWW").replaceAll(directory, "DIR"));
  return shown.map((line) => line.replaceAll(/DIR\/\S+\.pem/g, "OTHER").replace(/(show ssl cert OTHER;?)+/, "others"));
}

it.each([
  [0, 1],
  [98, 3],
])("deploys beside %i other certificates with four connections, and reads those with %i", async (count, reads) => {
  await using beside = await startBeside(count);
  const { issuer, server, relay } = beside;
  const options = { socket: relay.socket, file: `${server.directory}/{certificate}.pem` };
  // Each time another: what one has read of other files it keeps for a moment.
  const deploy = async (generation: number) => {
    const deployer = haproxy.create(haproxy.options.parse(options), dependencies("lb"));
    await deployer.deploy({ pair: await issuer.issue({ certificate: "www", generation }), previous: null }, NEVER);
  };
  await deploy(1);
  const before = relay.lines.length;
  await deploy(2);
  expect(kinds(relay.lines.slice(before), server.directory)).toEqual([
    "show info",
    "show ssl cert WWW;show ssl cert",
    "set ssl cert WWW <<",
    "commit ssl cert WWW;show ssl cert WWW",
    "show ssl cert",
    ...Array.from({ length: reads }, () => expect.stringMatching(/^(others|show ssl cert WWW)/)),
  ]);
});

it("looks once for the deployments of a second which other files HAProxy serves for their names", async () => {
  await using beside = await startBeside(30);
  const { issuer, server, relay } = beside;
  let now = 0;
  const rivals = createRivals({ socket: relay.socket, timeoutMs: 10_000 }, () => now);
  const names = ["other", "other", "www", ...Array.from({ length: 17 }, () => "api")];
  const pairs = await Promise.all(names.map((certificate) => issuer.issue({ certificate, generation: 2 })));
  const name = join(server.directory, "other-0.pem");
  const found = await Promise.all(pairs.map((pair) => rivals({ name, pair }, NEVER)));
  expect(relay.lines.filter((line) => line === "show ssl cert")).toHaveLength(1);
  expect(relay.lines).toHaveLength(2);
  expect(found.map((one) => one.length)).toEqual(names.map((certificate) => (certificate === "other" ? 3 : 0)));
  // HAProxy's own order, without the file that was deployed.
  expect(found[0]?.map((one) => /other-\d+/.exec(one)?.[0])).toEqual(["other-1", "other-10", "other-11"]);
  // A file that is gone is not served.
  await server.runtime(`del ssl crt-list ${server.directory} ${server.directory}/other-1.pem`);
  now += 1_000;
  const [pair] = pairs;
  const then = pair === undefined ? [] : await rivals({ name, pair }, NEVER);
  expect(then.join()).not.toContain("other-1.pem");
  expect(then).toHaveLength(3);
});

it("two files for one name that are added within a second are found, although others were looked at just before", async () => {
  await using beside = await startBeside(0);
  const { issuer, server } = beside;
  const options = { socket: server.socket, file: `${server.directory}/{certificate}.pem`, crtList: server.directory };
  const deployer = haproxy.create(haproxy.options.parse(options), dependencies("lb"));
  const deploy = async (certificate: string, names: readonly string[]) => {
    const pair = await issuer.issue({ certificate, generation: 1, names: [...names] });
    return (await deployer.deploy({ pair, previous: null }, NEVER)).note;
  };
  await deploy("www", ["www.test"]);
  expect(await deploy("one", ["shared.test"])).toBe(undefined);
  expect(await deploy("two", ["shared.test"])).toMatch(
    /^HAProxy also serves \S+\/one\.pem \(serial \S+\) for shared\.test and may prefer it/,
  );
});
