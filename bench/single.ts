// One certificate at a CA that answers at once, due to proved at a running HAProxy, again and again. What proof takes by
// default; it takes no ten seconds where renewd may look into all processes (docs/deployment.md).
//   npm run bench -- single
import { loadavg } from "node:os";
import { requestRenewal } from "../src/queue/requests.ts";
import { startHaproxy } from "../test/support/servers/haproxy.ts";
import { startRenewd } from "../test/support/system/renewd.ts";
import { startSystem } from "../test/support/system/system.ts";
import { until } from "../test/support/until.ts";
import { median } from "./measure.ts";

const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 20);
const NAME = "www.example.org";
const TARGET_MS = 300;

await using haproxy = await startHaproxy();
await using system = await startSystem({
  targets: { lb: { type: "haproxy", socket: haproxy.socket, file: `${haproxy.directory}/{certificate}.pem` } },
  certificates: {
    www: { names: [NAME], targets: ["lb"], endpoints: [{ host: "127.0.0.1", port: haproxy.port, sni: NAME }] },
  },
  pebble: { env: { PEBBLE_WFE_NONCEREJECT: "0" } },
  sections: { verification: undefined, web: { enabled: false } },
});
await using daemon = startRenewd(["run", "--yes", "--config", system.configFile]);
await daemon.logged("renewd is running");
const times: number[] = [];
let processes = 0;
// The first warms up.
for (let round = 0; round <= ROUNDS; round++) {
  if (round > 0)
    await requestRenewal(system.app.redis, { version: 1, certificate: "www", force: true, requestedBy: "bench" });
  const renewal = await until("the renewal", async () => {
    const [latest] = await system.store.renewals.list({ certificate: "www", limit: 1, states: ["succeeded"] });
    return latest?.generation === round + 1 ? latest : null;
  });
  const events = await system.store.events.list({ renewalId: renewal.id, limit: 100 });
  const at = (type: string): number => events.find((event) => event.type === type)?.at ?? Number.NaN;
  if (events.some(({ detail }) => detail.process !== undefined)) processes += 1;
  if (round > 0) times.push(at("verify.converged") - at("renewal.planned"));
}
const p50 = median(times);
console.log(
  `load average ${(loadavg()[0] ?? 0).toFixed(1)}; ${processes} of ${ROUNDS + 1} proved at once by the process that answers`,
);
console.log(
  `due to proved, ${ROUNDS} times: p50 ${p50} ms (target: at most ${TARGET_MS}) ${p50 <= TARGET_MS ? "met" : "MISSED"}`,
);
console.log(`from ${Math.min(...times)} to ${Math.max(...times)} ms`);
if (p50 > TARGET_MS) process.exitCode = 1;
