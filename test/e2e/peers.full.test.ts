// Two renewds that watch each other over TLS: one is killed, and the other calls people and says so wherever they look.
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { openReader } from "../../src/compose/index.ts";
import type { AlertsReport } from "../../src/reports/alerts.ts";
import type { StatusReport } from "../../src/reports/status.ts";
import { createRoot, type IssuedPair } from "../support/ca/pki.ts";
import { freePort } from "../support/freePort.ts";
import { runCaptured } from "../support/system/installation.ts";
import { startReceiver } from "../support/system/receiver.ts";
import { startRenewd } from "../support/system/renewd.ts";
import { until } from "../support/until.ts";

const MAX_MS = 90_000;

interface Place {
  readonly name: string;
  readonly directory: string;
  readonly port: number;
}

it("two renewds watch each other: when one is killed the other pages, and tells when it is back", {
  timeout: 240_000,
}, async () => {
  const home = await mkdtemp(join(tmpdir(), "renewd-peers-"));
  await using cleanUp = new AsyncDisposableStack();
  cleanUp.defer(() => rm(home, { recursive: true, force: true }));
  const ca = await createRoot();
  const pair = await ca.issue({ names: ["localhost"] });
  const receiver = cleanUp.use(await startReceiver());
  const place = async (name: string): Promise<Place> => ({ name, directory: join(home, name), port: await freePort() });
  const [paris, berlin] = [await place("paris"), await place("berlin")];
  const files = { pair, trustPem: ca.certPem, hook: receiver.url };
  const run = async (here: Place, there: Place) => {
    await write(here, there, files);
    return startRenewd(["run", "--yes", "--config", configOf(here)]);
  };
  cleanUp.use(await run(paris, berlin));
  const first = cleanUp.use(await run(berlin, paris));

  const stateIn = async (here: Place, state: string) => {
    const { store } = cleanUp.use(await openReader(configOf(here)));
    return () =>
      until(
        `${here.name} to find its peer ${state}`,
        // Asked right after its start, it has completed no sweep yet.
        async () => (await store.peers.list()).find((peer) => peer.state === state && peer.sweptAt !== null) ?? null,
        MAX_MS,
      );
  };
  const [well] = await Promise.all([(await stateIn(paris, "well"))(), (await stateIn(berlin, "well"))()]);
  expect(well.sweptAt).toBeGreaterThan(well.askedAt - 60_000);

  first.kill("SIGKILL");
  await first.exited;
  const text = (word: RegExp) => async () =>
    receiver.received.map(({ body }) => (body as { text: string }).text).find((each) => word.test(each)) ?? null;
  const page = await until("the page", text(/peer berlin .*cannot be asked/), MAX_MS);
  expect(page).toContain(`localhost:${berlin.port} did not answer`);
  expect(page).not.toContain("secret");
  const asked = async (command: string) =>
    JSON.parse((await runCaptured([command, "--json", "--config", configOf(paris)])).stdout);
  const alerts: AlertsReport = await asked("alerts");
  expect(alerts.peers).toMatchObject([{ peer: "berlin", state: "unreachable", lastWellAt: expect.any(String) }]);
  const { notices }: StatusReport = await asked("status");
  // A busy machine may have more to say.
  expect(notices.filter(({ kind }) => kind === "peer")).toMatchObject([{ id: "peer/berlin", needsPerson: true }]);

  cleanUp.use(await run(berlin, paris));
  await (await stateIn(paris, "well"))();
  await until("the end", text(/peer berlin .*over/), MAX_MS);
});

function configOf({ directory }: Place): string {
  return join(directory, "renewd.yaml");
}

async function write(
  here: Place,
  there: Place,
  { pair, trustPem, hook }: { readonly pair: IssuedPair; readonly trustPem: string; readonly hook: string },
): Promise<void> {
  const { directory } = here;
  await mkdir(directory, { recursive: true });
  const secret = { mode: 0o600 };
  await writeFile(join(directory, "pair.pem"), pair.certPem);
  await writeFile(join(directory, "key.pem"), pair.keyPem, secret);
  await writeFile(join(directory, "ca.pem"), trustPem);
  await writeFile(join(directory, "hook"), `${hook}/secret`, secret);
  const config = {
    ...{ version: 1, dataDir: "data", http01: { host: "127.0.0.1", port: await freePort() } },
    planner: { tick: "1s", sweep: "1s" },
    web: { port: here.port, tls: { certificate: "pair.pem", key: "key.pem" } },
    notifications: { ops: { type: "webhook", url: "file:hook" } },
    alerts: { openAfter: "1ms", resolveAfter: "1ms" },
    peers: { [there.name]: { url: `https://localhost:${there.port}`, every: "1s", trust: "ca.pem" } },
  };
  // JSON is YAML.
  await writeFile(configOf(here), JSON.stringify(config));
}
