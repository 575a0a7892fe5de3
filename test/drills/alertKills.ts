// Real processes, a real Alertmanager, a real SMTP server and pagers, over SIGKILL at each step and an hour's outage.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Alert } from "../../src/domain/alert.ts";
import type { HistoryEvent } from "../../src/domain/event.ts";
import { HOUR_MS, MINUTE_MS } from "../../src/domain/time.ts";
import { type Random, seeded } from "../support/model/random.ts";
import { type Alertmanager, startAlertmanager } from "../support/servers/alertmanager.ts";
import { shifted } from "../support/system/faketime.ts";
import { configText, createInstallation, type Installation } from "../support/system/installation.ts";
import { within } from "../support/until.ts";
import { AlertReceivers } from "./alertReceivers.ts";
import type { Drill, Outcome } from "./drill.ts";

const CHILD = fileURLToPath(new URL("alertTeller.child.ts", import.meta.url));
const CAUSES = 8;
/** The last of them lives. */
const RUNS_OF_EACH = 5;
const DEATHS_MIN = 20;
/** Between two processes: longer than the lease of a channel that a dead one leaves behind. */
const STEP_MS = 3 * MINUTE_MS;
/** The first process believes that it is so long ago, so that nothing lies in the future of the receivers. */
const AGO_MS = 6 * HOUR_MS;
const RUN_MAX_MS = 120_000;
const SETTLING_RUNS_MAX = 15;
const SETTLING_STEP_MS = 10 * MINUTE_MS;
const STEPS = ["write", "send", "answered", "received"] as const;

interface Death {
  readonly step: (typeof STEPS)[number];
  readonly number: number;
}

class Estate {
  readonly receivers: AlertReceivers;
  readonly alertmanager: Alertmanager;
  readonly installation: Installation;
  /** Runs that ended by SIGKILL, with the step. */
  readonly deaths = new Map<number, Death["step"]>();
  readonly problems: string[] = [];
  #passedMs = 0;

  constructor(parts: Pick<Estate, "receivers" | "alertmanager" | "installation">) {
    this.receivers = parts.receivers;
    this.alertmanager = parts.alertmanager;
    this.installation = parts.installation;
  }

  get now(): number {
    return Date.now() - AGO_MS + this.#passedMs;
  }

  pass(durationMs: number): void {
    this.#passedMs += durationMs;
  }

  /** One process, from its start to its end or death. */
  async process(death: Death | null = null): Promise<void> {
    this.receivers.run += 1;
    const offsetS = Math.round((this.#passedMs - AGO_MS) / 1_000);
    const step = death === null || death.step === "received" ? [] : [death.step, String(death.number)];
    const child = spawn(process.execPath, [CHILD, this.installation.configFile, "2", ...step], {
      env: { ...process.env, ...shifted(`${offsetS}s`) },
      stdio: ["ignore", "ignore", "pipe"],
    });
    let said = "";
    child.stderr.on("data", (chunk: Buffer) => {
      said = (said + chunk.toString()).slice(-2_000);
    });
    let left = death?.step === "received" ? death.number : Number.POSITIVE_INFINITY;
    this.receivers.beforeAnswer = () => {
      left -= 1;
      // Its answer is lost, as it is to a machine whose power fails.
      if (left === 0) child.kill("SIGKILL");
    };
    try {
      const [code, signal] = await within("a process that notifies to end", once(child, "exit"), RUN_MAX_MS);
      if (signal === "SIGKILL" && death !== null) this.deaths.set(this.receivers.run, death.step);
      else if (code !== 0) this.problems.push(`process ${this.receivers.run} ended with ${code ?? signal}: ${said}`);
    } finally {
      child.kill("SIGKILL");
      this.receivers.beforeAnswer = () => {};
    }
  }

  async fail(certificate: string): Promise<void> {
    await this.#record(certificate, "renewal.failed", { failures: 1, lastErrorMessage: `no socket of ${certificate}` });
  }

  async heal(certificate: string): Promise<void> {
    await this.#record(certificate, "renewal.cancelled", { failures: 0, lastErrorMessage: null });
  }

  async #record(
    certificate: string,
    type: "renewal.failed" | "renewal.cancelled",
    patch: { readonly failures: number; readonly lastErrorMessage: string | null },
  ): Promise<void> {
    const { store } = this.installation;
    const lastErrorCode = patch.failures === 0 ? null : "acme.badCsr";
    await store.certificates.update(certificate, { ...patch, lastErrorCode });
    const of = { certificate, renewalId: null, target: null, detail: {} };
    await store.events.append({ at: this.now, type, ...of });
  }
}

async function openEstate(stack: AsyncDisposableStack, names: readonly string[]): Promise<Estate> {
  const receivers = stack.use(await AlertReceivers.open());
  const alertmanager = stack.use(await startAlertmanager(`${receivers.url}/alertmanager`));
  const sections = {
    notifications: {
      hook: { type: "webhook", url: "file:hook.url", signing: "file:signing.key" },
      pager: { type: "pagerduty", routingKey: "file:pager.key", api: receivers.url },
      jsm: { type: "jsm", apiKey: "file:pager.key", api: receivers.url },
      monitor: { type: "alertmanager", url: alertmanager.url },
      mail: {
        ...{ type: "smtp", host: "127.0.0.1", port: receivers.mailPort, tls: "none" },
        ...{ sender: "renewd@example.org", to: ["ops@example.org"] },
      },
    },
    alerts: { openAfter: "1ms", resolveAfter: "1m", storm: { alerts: 1_000 } },
  };
  const text = JSON.stringify({ ...JSON.parse(configText(names)), ...sections });
  const installation = stack.use(await createInstallation(text, { planned: false }));
  const secrets = {
    "hook.url": `${receivers.url}/hook`,
    "signing.key": `whsec_${Buffer.alloc(32, 7).toString("base64")}`,
    "pager.key": "R0UT1NGK3Y",
  };
  for (const [file, secret] of Object.entries(secrets))
    await writeFile(join(installation.directory, file), secret, { mode: 0o600 });
  return new Estate({ receivers, alertmanager, installation });
}

/** One cause after another comes and goes, and most processes die at a step. Returns how long the outage was, ms. */
async function torture(estate: Estate, names: readonly string[], random: Random): Promise<number> {
  let outageMs = 0;
  let deaths = 0;
  for (const [index, name] of names.entries()) {
    await estate.fail(name);
    const before = names[index - 1];
    for (let run = 0; run < RUNS_OF_EACH; run++) {
      if (run === 2 && before !== undefined) await estate.heal(before);
      estate.receivers.isOutage = index >= 1 && outageMs < HOUR_MS;
      const step = STEPS[deaths % STEPS.length] ?? "write";
      const death = { step, number: 1 + random.below(step === "write" ? 10 : 2) };
      const isLast = run === RUNS_OF_EACH - 1;
      if (!isLast) deaths += 1;
      await estate.process(isLast ? null : death);
      estate.pass(STEP_MS);
      if (estate.receivers.isOutage) outageMs += STEP_MS;
    }
  }
  estate.receivers.isOutage = false;
  const last = names.at(-1);
  if (last !== undefined) await estate.heal(last);
  return outageMs;
}

/** Until every alert is over and every channel has been sent everything. */
async function settle(estate: Estate): Promise<void> {
  const { store } = estate.installation;
  for (let run = 0; run < SETTLING_RUNS_MAX; run++) {
    await estate.process();
    estate.pass(SETTLING_STEP_MS);
    const open = await store.alerts.open();
    const [newest] = await store.events.list({ limit: 1 });
    const cursors = await store.cursors.list();
    const isSent = cursors.every(({ seq, failures }) => failures === 0 && seq >= (newest?.seq ?? 0) - 1);
    const messages = await messagesOf(estate);
    const left = messages.some(({ seq }) => cursors.some((cursor) => cursor.seq < seq));
    if (open.length === 0 && !left && isSent) return;
  }
  estate.problems.push(`after ${SETTLING_RUNS_MAX} processes more, not everything was sent`);
}

function messagesOf({ installation: { store } }: Estate): Promise<HistoryEvent[]> {
  return store.events.list({ types: ["alert.opened", "alert.raised", "alert.resolved"], afterSeq: 0, limit: 10_000 });
}

/** What each receiver has of each message, against what the history says that it was sent. */
async function judge(estate: Estate, names: readonly string[]): Promise<{ doubled: number; messages: number }> {
  const { problems, installation } = estate;
  const messages = await messagesOf(estate);
  const alerts = await installation.store.alerts.list({ all: true, limit: 1_000 });
  for (const name of names) {
    const own = alerts.filter(({ affected }) => affected.includes(name));
    if (own.length !== 1) problems.push(`${own.length} alerts of ${name}`);
  }
  for (const alert of alerts) judgeAlert(estate, alert, messages);
  let doubled = 0;
  for (const channel of ["hook", "mail"] as const)
    for (const message of messages) doubled += judgeMessage(estate, channel, message);
  if ((await estate.alertmanager.alerts()).length > 0) problems.push("Alertmanager has alerts that are over");
  return { doubled, messages: messages.length };
}

function judgeAlert({ problems, receivers }: Estate, { id, cause, channels }: Alert, messages: HistoryEvent[]): void {
  for (const type of ["alert.opened", "alert.resolved"]) {
    const count = messages.filter((event) => event.type === type && event.detail.alert === id).length;
    if (count !== 1) problems.push(`${cause}: ${count} times ${type} in the history`);
  }
  for (const name of ["pager", "jsm"] as const) {
    if (!channels.includes(name)) continue;
    const { opened = 0, closed = 0, isOpen = true } = receivers.incidents[name].get(`renewd/alert/${id}`) ?? {};
    if (opened !== 1 || closed !== 1 || isOpen)
      problems.push(`${cause}: ${name} opened ${opened} incidents and closed ${closed}`);
  }
  if (!channels.includes("monitor")) return;
  const { firing = 0, resolved = 0 } = receivers.monitored.get(`alert/${id}`) ?? {};
  if (firing !== 1 || resolved !== 1)
    problems.push(
      `${cause}: Alertmanager told its receiver ${firing} times that it fires, ${resolved} that it is over`,
    );
}

/** Returns how often it came again, each time for a process that was killed before it could note the answer. */
function judgeMessage({ problems, receivers, deaths }: Estate, channel: "hook" | "mail", event: HistoryEvent): number {
  const { seq, at, type, detail } = event;
  if (!Array.isArray(detail.channels) || !detail.channels.includes(channel)) return 0;
  const about = receivers.arrivals.filter(
    (each) => each.channel === channel && each.alert === detail.alert && each.event === type,
  );
  const what = `${channel}: ${type} of ${String(detail.cause)}`;
  if (about.length === 0) problems.push(`${what} is lost`);
  const id = `renewd-${seq}-${at}`;
  for (const arrival of about)
    if (!arrival.id.includes(id)) problems.push(`${what} came under ${arrival.id}, not ${id}`);
  for (const { run } of about.slice(0, -1))
    if (!deaths.has(run)) problems.push(`${what} came again although process ${run} lived`);
  return Math.max(0, about.length - 1);
}

async function killAndJudge(seed: number): Promise<Outcome> {
  await using stack = new AsyncDisposableStack();
  const at = Date.now();
  const names = Array.from({ length: CAUSES }, (_, index) => `c${index}`);
  const estate = await openEstate(stack, names);
  await estate.installation.store.certificates.sync(estate.installation.certificates, estate.now);
  await estate.process();
  estate.pass(STEP_MS);
  const outageMs = await torture(estate, names, seeded(seed));
  await settle(estate);
  const { doubled, messages } = await judge(estate, names);
  const { deaths, problems, receivers } = estate;
  if (deaths.size < DEATHS_MIN) problems.push(`only ${deaths.size} processes were killed`);
  for (const step of STEPS)
    if (![...deaths.values()].includes(step)) problems.push(`no process was killed at the step ${step}`);
  if (outageMs < HOUR_MS || receivers.refusals === 0) problems.push(`mail and pager were away for ${outageMs} ms only`);
  const hours = Math.round((estate.now - at + AGO_MS) / HOUR_MS);
  return {
    injections: [{ at, convergedAt: Date.now() }],
    notes: [
      `${receivers.run} processes, ${deaths.size} of them killed, in ${hours} h of their clock; mail and pager away for ` +
        `${outageMs / MINUTE_MS} min, ${receivers.refusals} refusals; ${messages} messages, none lost; ${doubled} came ` +
        "again by mail or webhook under their id, each after a kill -9 that lost its answer; none at PagerDuty, JSM and Alertmanager",
    ],
    problems,
  };
}

export const ALERT_KILLS: Drill = {
  name: "alert-kills",
  faults: "2–5",
  title: "processes that notify are killed at every step and restarted, with mail and a pager away for an hour",
  quick: false,
  maxMs: HOUR_MS,
  alone: ({ seed }) => killAndJudge(seed),
};
