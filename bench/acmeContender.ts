// One contender of bench/acme.ts: orders certificates at the given directory and prints what it took as JSON.
import { crypto } from "acme-client";
import { createIssuer } from "../src/acme/issuer.ts";
import { identifierOf } from "../test/support/identifier.ts";
import { memoryAccounts, memoryProgress } from "../test/support/model/orderMemory.ts";
import { stockClient } from "./stockClient.ts";

export interface Measured {
  readonly certificatesPerSecond: number;
  readonly cpuMsPerCertificate: number;
}

/** Pebble 2.4 hangs with more. */
const IN_FLIGHT = 4;
/** Account, directory, compiled code. */
const WARM_UP = 40;
const COUNT = 160;

type Order = (name: string) => Promise<unknown>;

/** Without its own look at the challenge. */
async function stock(directoryUrl: string): Promise<Order> {
  const client = await stockClient(directoryUrl);
  return async (name) => {
    const [, csr] = await crypto.createCsr(
      { commonName: name, altNames: [name] },
      await crypto.createPrivateEcdsaKey("P-256"),
    );
    const nothing = async (): Promise<void> => {};
    return client.auto({
      csr,
      skipChallengeVerification: true,
      challengePriority: ["http-01"],
      challengeCreateFn: nothing,
      challengeRemoveFn: nothing,
    });
  };
}

/** With all that renewd does beside: every step made durable (in memory here), the delivered chain checked. */
async function renewd(directory: string): Promise<Order> {
  const limits = { requestTimeoutMs: 30_000, orderTimeoutMs: 60_000 };
  const account = { contact: [], termsOfServiceAgreed: true, externalAccount: null };
  // Trusted through NODE_EXTRA_CA_CERTS, as for the other contender.
  const issuer = createIssuer(
    { name: "pebble", directory, trustPem: null, ...account, ...limits },
    { accounts: memoryAccounts(), now: Date.now },
  );
  const solver = { challengeType: "http-01", present: async () => {}, cleanUp: async () => {} };
  const { signal } = new AbortController();
  return (name) =>
    issuer.issue(
      { certificate: name, identifiers: [identifierOf(name)], keyType: "ecdsa-p256" },
      memoryProgress(),
      [{ name: "http", zones: [], solver }],
      signal,
    );
}

async function orderMany(order: Order, count: number, prefix: string): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) await order(`${prefix}-${next++}-${process.pid}.example.org`);
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
}

const [, , contender, directory = ""] = process.argv;
const order = await (contender === "stock" ? stock(directory) : renewd(directory));
// Alone, as it registers the account: Pebble answers 500 to one of two that register the same key at once.
await order(`first-${process.pid}.example.org`);
await orderMany(order, WARM_UP, "warm");
const cpuBefore = process.cpuUsage();
const startedAt = performance.now();
await orderMany(order, COUNT, "bench");
const elapsedMs = performance.now() - startedAt;
const { user, system } = process.cpuUsage(cpuBefore);
const measured: Measured = {
  certificatesPerSecond: (COUNT / elapsedMs) * 1_000,
  cpuMsPerCertificate: (user + system) / 1_000 / COUNT,
};
process.stdout.write(JSON.stringify(measured), () => process.exit(0));
