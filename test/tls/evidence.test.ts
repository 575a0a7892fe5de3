// A handshake is good although who held its other end was not found out while the connection was open.
import { beforeAll, expect, test } from "vitest";
import { shakeHands } from "../../src/tls/handshake.ts";
import { createRoot, type IssuedPair } from "../support/ca/pki.ts";
import { startTlsServer } from "../support/servers/tlsServer.ts";

const NAME = "www.renewd.test";
const NEVER = new AbortController().signal;
let pair: IssuedPair;

beforeAll(async () => {
  pair = await (await createRoot()).issue({ names: [NAME] });
});

function request(port: number, isServer: () => Promise<boolean>) {
  const endpoint = { host: NAME, port, sni: NAME, target: null };
  return { endpoint, address: "127.0.0.1", keyKind: null, isServer };
}

test("a time limit that ends while the kernel is asked leaves the handshake as it was", async () => {
  await using server = await startTlsServer({ pairs: [pair] });
  const limit = new AbortController();
  const asked = (): Promise<boolean> => {
    limit.abort();
    return Promise.withResolvers<boolean>().promise;
  };
  const { leaf, byServer } = await shakeHands(request(server.port, asked), limit.signal);
  expect({ certPem: leaf.toString(), byServer }).toEqual({ certPem: pair.certPem, byServer: false });
});

test("so does a server that closes meanwhile, and nothing is taken for evidence later", async () => {
  await using server = await startTlsServer({ pairs: [pair] });
  const answered = Promise.withResolvers<boolean>();
  const asked = (): Promise<boolean> => {
    void server[Symbol.asyncDispose]();
    return answered.promise;
  };
  const { byServer } = await shakeHands(request(server.port, asked), NEVER);
  answered.resolve(true);
  expect(byServer).toBe(false);
});
