// A watched endpoint from its first look to the alert, the renewal by hand, the end of the alert and the time machine.
import { X509Certificate } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { createRoot } from "../support/ca/pki.ts";
import { writePair } from "../support/pairs/pairDirectory.ts";
import { startNginx } from "../support/servers/nginx.ts";
import { renewd, startRenewd } from "../support/system/renewd.ts";
import { startSystem } from "../support/system/system.ts";
import { until } from "../support/until.ts";

const NAME = "partner.example.org";
const DAY_MS = 86_400_000;
const MAX_MS = 60_000;

it("alerts before the certificate of somebody else's nginx ends, until it is renewed there by hand", {
  timeout: 150_000,
}, async () => {
  const root = await createRoot({ name: "Partner Root" });
  const ca = await root.intermediate({ name: "Partner CA" });
  const issue = async (from: number, to: number) => {
    const at = (days: number): Date => new Date(Date.now() + days * DAY_MS);
    const { certPem, keyPem } = await ca.issue({ names: [NAME], notBefore: at(from), notAfter: at(to) });
    return { certPem: certPem + ca.certPem, keyPem };
  };
  const [ending, next] = [await issue(-85, 5), await issue(-1, 89)];
  await using nginx = await startNginx({ certificates: { partner: { ...ending, serverNames: [NAME] } } });
  const trust = join(nginx.directory, "root.pem");
  await writeFile(trust, root.certPem);
  await using system = await startSystem({
    targets: {},
    certificates: {},
    sections: {
      redis: undefined,
      observation: { every: "1s" },
      verification: { trust },
      alerts: { openAfter: "1ms", resolveAfter: "1ms" },
      watch: { partner: { host: "127.0.0.1", port: nginx.port, sni: NAME, team: "shop" } },
    },
  });
  await using _running = startRenewd(["run", "--yes", "--config", system.configFile]);
  const { store } = system;
  const asked = async (...args: string[]) =>
    JSON.parse((await renewd([...args, "--json", "--config", system.configFile])).stdout);
  const alertThat = (isOver: boolean) => async () =>
    (await store.alerts.list({ all: true, limit: 9 })).find(
      ({ rule, resolvedAt }) => rule === "watchedExpiring" && (resolvedAt !== null) === isOver,
    ) ?? null;

  const alert = await until("the alert", alertThat(false), MAX_MS);
  expect(alert).toMatchObject({ members: [{ certificate: "watch:partner" }] });
  expect(await asked("watched")).toMatchObject({ endpoints: [{ name: "partner", state: "ending", team: "shop" }] });

  const before = new Date().toISOString();
  await writePair(join(nginx.directory, "partner"), next);
  process.kill(nginx.pid, "SIGHUP");
  const over = await until("the end of the alert", alertThat(true), MAX_MS);
  expect(over.id).toBe(alert.id);
  // While nginx reloads, a worker that drains may answer once more with the old pair.
  const good = await until("a good look", async () => {
    const { endpoints } = await asked("watched", "partner");
    return endpoints[0].state === "good" ? endpoints : null;
  });
  expect(good).toMatchObject([{ errorCode: null }]);

  const serialOf = ({ certPem }: { readonly certPem: string }) => new X509Certificate(certPem).serialNumber;
  const place = `127.0.0.1:${nginx.port}`;
  const served = (serial: string) => ({
    places: [{ changes: [{ leaf: { serial, names: [NAME] }, chain: [{ subject: "CN=Partner CA" }] }] }],
  });
  expect(await asked("served", place, "--at", before)).toMatchObject(served(serialOf(ending)));
  expect(await asked("served", place, "--at", new Date().toISOString())).toMatchObject(served(serialOf(next)));
  expect(await asked("diff", `${place}@${before}`, place)).toMatchObject({ same: false });
});
