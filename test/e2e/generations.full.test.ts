import { once } from "node:events";
import { connect } from "node:tls";
import { expect, it } from "vitest";
import { isActive } from "../../src/domain/renewal.ts";
import { startHaproxy } from "../support/servers/haproxy.ts";
import { startSystem } from "../support/system/system.ts";
import { until } from "../support/until.ts";

const NAME = "short.example.org";
const LIFETIME_S = 14;
const GENERATIONS = 3;

/** One fresh, fully verified handshake, as a client of the site makes it; resolves with the leaf's serial. */
async function handshake(port: number, rootPem: string): Promise<string> {
  const socket = connect({ host: "127.0.0.1", port, servername: NAME, ca: rootPem });
  try {
    await once(socket, "secureConnect");
    return socket.getPeerCertificate().serialNumber;
  } finally {
    socket.destroy();
  }
}

it("renews short-lived certificates again and again while every handshake of a continuous client succeeds", {
  timeout: 120_000,
}, async () => {
  await using haproxy = await startHaproxy();
  await using system = await startSystem({
    pebble: { certificateValidityPeriodSeconds: LIFETIME_S },
    targets: { lb: { type: "haproxy", socket: haproxy.socket, file: `${haproxy.directory}/{certificate}.pem` } },
    certificates: {
      short: {
        names: [NAME],
        targets: ["lb"],
        renewal: { jitter: 0 },
        endpoints: [{ host: "127.0.0.1", port: haproxy.port, sni: NAME }],
      },
    },
  });
  await system.workers();
  const { store, pebble } = system;
  const verified = async (): Promise<number> =>
    (await store.versions.list("short")).filter(({ verifiedAt }) => verifiedAt !== null).length;
  await until("the first generation", async () => ((await verified()) >= 1 ? true : null));

  const rootPem = await pebble.rootPem();
  const serials = new Set<string>();
  const failures: unknown[] = [];
  let handshakes = 0;
  while ((await verified()) < 1 + GENERATIONS) {
    await handshake(haproxy.port, rootPem).then(
      (serial) => serials.add(serial),
      (error: unknown) => failures.push(error),
    );
    handshakes += 1;
    if (failures.length > 10) break;
  }

  expect(failures).toEqual([]);
  expect(handshakes).toBeGreaterThan(100);
  expect(serials.size).toBeGreaterThanOrEqual(GENERATIONS);
  const renewals = await store.renewals.list({ certificate: "short", limit: 20 });
  expect(renewals.filter(({ state }) => !isActive(state)).map(({ state }) => state)).toEqual(
    expect.not.arrayContaining(["failed", "cancelled"]),
  );
  expect(renewals.map(({ reason }) => reason)).toContain("renewalWindow");
});
