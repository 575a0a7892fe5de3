import { X509Certificate } from "node:crypto";
import { stat } from "node:fs/promises";
import type { WebConfig } from "../../config/config.ts";
import { WEB_PORT } from "../../config/schema/web.ts";
import { isLive } from "../../domain/heartbeat.ts";
import type { Log } from "../../domain/log.ts";
import type { Store } from "../../domain/store.ts";
import { DAY_MS, formatAgo, formatInstant } from "../../domain/time.ts";
import type { DoctorCheck } from "../../reports/doctor.ts";
import { startDnsServer } from "../../solvers/dns/server/server.ts";
import { readPair, startWebServer } from "../../web/server.ts";
import { roleSettingsOf } from "../roleSettings.ts";
import { answeringAddress } from "../webAddress.ts";
import { failed, failedWith, notChecked, passed, warning } from "./check.ts";
import type { Patient } from "./patient.ts";

/** What is found is the report's. */
const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} };
const OTHERS_READ = 0o004;
const SOON_MS = 7 * DAY_MS;

/** Where the web role listens, and the pair that it serves. */
export async function checkWeb({ config, clock }: Pick<Patient, "config" | "clock">): Promise<DoctorCheck[]> {
  if (config === null) return [];
  const { web, dataDir } = config;
  if (!web.enabled) return [notChecked("web", "web role", "`web.enabled` is false")];
  const pair = web.tls === null ? [] : await checkPair(web.tls, clock.now());
  return [...pair, await checkPort(web, dataDir)];
}

async function checkPair(tls: NonNullable<WebConfig["tls"]>, now: number): Promise<DoctorCheck[]> {
  try {
    const { cert } = await readPair(tls);
    const { mode } = await stat(tls.key);
    const until = new X509Certificate(cert).validToDate.getTime();
    const fix = "Renew it: a `files` target can write it, and the web role reads it again.";
    if (until <= now) return [failed("web", "web role", `${tls.certificate} expired ${formatInstant(until)}`, fix)];
    const exposed =
      (mode & OTHERS_READ) === 0
        ? []
        : [warning("web", "web role", `every user of this machine can read ${tls.key}`, `chmod o-r ${tls.key}`)];
    if (until - now < SOON_MS)
      return [...exposed, warning("web", "web role", `${tls.certificate} expires ${formatInstant(until)}`, fix)];
    return [...exposed, passed("web", "web role", `${tls.certificate} and its key fit, until ${formatInstant(until)}`)];
  } catch (thrown) {
    return [failedWith("web", "web role", thrown)];
  }
}

async function checkPort({ host, port }: WebConfig, dataDir: string): Promise<DoctorCheck> {
  const running = await answeringAddress(dataDir);
  // Without a port of its own it takes the next free one.
  const isThere = running !== null && (port === null || URL.parse(running)?.port === String(port));
  if (isThere) return passed("web", "web role", `answers at ${running}`);
  try {
    const listener = (): void => {};
    const server = await startWebServer({ host, port, tls: null, firstPort: WEB_PORT, listener, log: silentLog });
    await server.close();
    if (running === null) return passed("web", "web role", `can listen at ${server.url}`);
    const message = `answers at ${running}, and the configuration says port ${port}`;
    return warning("web", "web role", message, "Reload it: `systemctl reload renewd`, or SIGHUP to the process.");
  } catch (thrown) {
    return failedWith("web", "web role", thrown);
  }
}

/** Where renewd's own name server listens, if a solver needs it. */
export async function checkNameServer({ config, viewer, clock }: Patient): Promise<DoctorCheck[]> {
  if (config === null) return [];
  const { hosts, port, zones } = roleSettingsOf(config).nameServer;
  if (zones.length === 0) return [];
  const at = `${hosts.join(", ")} port ${port}`;
  const beats = "store" in viewer ? await viewer.store.health.beats().catch(() => []) : [];
  const acme = beats.filter((beat) => beat.role === "acme" && isLive(beat, clock.now()));
  const isServed = acme.some(({ problems }) => problems.every(({ kind }) => kind !== "port"));
  const asked = "store" in viewer ? await askedSoFar(viewer.store, clock.now()) : "";
  try {
    const lookUp = async () => [];
    const server = await startDnsServer({ hosts, port, zones: () => zones, lookUp, log: silentLog });
    await server.close();
    return [passed("ports", "name server", `can listen on ${at}, UDP and TCP${asked}`)];
  } catch (thrown) {
    return isServed
      ? [passed("ports", "name server", `an ACME worker answers on ${at}${asked}`)]
      : [failedWith("ports", "name server", thrown)];
  }
}

/** Whether anybody finds it: what it was asked, in all processes, since the installation began. */
async function askedSoFar({ nameServerTotals }: Pick<Store, "nameServerTotals">, now: number): Promise<string> {
  const totals = (await nameServerTotals.list().catch(() => [])).filter(({ answer }) => answer !== "connection");
  if (totals.length === 0) return "; nobody has asked it anything yet";
  const queries = totals.reduce((sum, { count }) => sum + count, 0);
  const values = totals.filter(({ answer }) => answer === "value");
  const lastAt = Math.max(...values.map((each) => each.lastAt));
  const given =
    values.length === 0 ? "no value was asked for yet" : `a value was last given ${formatAgo(now - lastAt)}`;
  return `; ${queries} ${queries === 1 ? "query" : "queries"} so far, ${given}`;
}
