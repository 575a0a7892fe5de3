// Faults of certificates behind issuers, solvers and targets that are broken on purpose, by the real verbs.
import type { AlertSettings } from "../../../src/domain/alertSettings.ts";
import type { Certificate } from "../../../src/domain/certificate.ts";
import { RenewalError } from "../../../src/domain/errors.ts";
import type { ErrorCode } from "../../../src/domain/errorTable.ts";
import type { Channel, Notification } from "../../../src/domain/notification.ts";
import type { Store } from "../../../src/domain/store.ts";
import type { Context } from "../../../src/renewal/context.ts";
import { configure } from "../../../src/renewal/plan/configure.ts";
import { planDue } from "../../../src/renewal/plan/plan.ts";
import { DEFAULT_ALERTS } from "../../../src/renewal/rules/alerts/settings.ts";
import { deploy } from "../../../src/renewal/steps/deploy.ts";
import { issue } from "../../../src/renewal/steps/issue.ts";
import { sweep } from "../../../src/renewal/steps/sweep.ts";
import { verify } from "../../../src/renewal/steps/verify.ts";
import { type AlertMemory, raiseAlerts } from "../../../src/renewal/watch/alerts.ts";
import { deliverNotifications } from "../../../src/renewal/watch/notify.ts";
import { createExpiredPair } from "../../../src/x509/expiredPair.ts";
import { certificate } from "./facts.ts";
import { NO_SIGNAL, Workbench } from "./workbench.ts";

export interface Sent {
  readonly channel: string;
  readonly notification: Notification;
}

export class AlertBench implements AsyncDisposable {
  readonly bench: Workbench;
  readonly context: Context;
  /** What breaks: `issuer le`, `solver dns`, `target lb`, or `certificate NAME`, and with which error. */
  readonly broken = new Map<string, ErrorCode>();
  /** In the order of their arrival. */
  readonly sent: Sent[] = [];
  /** Channels that do not answer. */
  readonly down = new Set<string>();
  readonly #served = new Map<string, string>();
  /** As one planner keeps it. */
  readonly #looked: AlertMemory = {};

  private constructor(bench: Workbench, settings: Partial<AlertSettings>) {
    this.bench = bench;
    const { services } = bench.context;
    this.context = {
      ...bench.context,
      settings: {
        ...bench.context.settings,
        ...{ issueAttemptsMax: 1, deployAttemptsMax: 1 },
        alerts: { ...DEFAULT_ALERTS, openAfterMs: 0, ...settings },
      },
      probe: {
        ...bench.context.probe,
        observe: async ({ host, port, sni }, address, expected) => {
          const good = expected !== null && this.#served.get(`${host} ${sni}`) === expected.leaf.fingerprint;
          const problem = good ? null : { code: "verify.stale" as const, message: "another pair" };
          return { address, port, sni, at: bench.now, durationMs: 1, served: null, problem };
        },
      },
      services: {
        ...services,
        expiredPair: createExpiredPair,
        issuer: (name) => {
          const real = services.issuer(name);
          return {
            ...real,
            issue: async (request, ...rest) => {
              const [{ value = "" } = {}] = request.identifiers;
              const found = this.bench.certificates.find((each) => each.identifiers[0]?.value === value);
              this.#breaks(`issuer ${name}`, `solver ${found?.solvers[0]}`, `certificate ${found?.name}`);
              return real.issue(request, ...rest);
            },
          };
        },
        deployer: (target) => ({
          deploy: async ({ pair }) => {
            this.#breaks(`target ${target}`);
            for (const { value } of pair.leaf.identifiers)
              this.#served.set(`${target} ${value}`, pair.leaf.fingerprint);
            return { generation: pair.generation };
          },
        }),
      },
    };
  }

  static async open(certificates: readonly Certificate[], settings: Partial<AlertSettings> = {}): Promise<AlertBench> {
    return new AlertBench(await Workbench.open(certificates), settings);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.bench[Symbol.asyncDispose]();
  }

  channel(name: string, patch: Partial<Channel> = {}): void {
    const send = async (notification: Notification): Promise<void> => {
      if (this.down.has(name)) throw new RenewalError("notify.failed", `channel ${name}: its receiver is away`);
      this.sent.push({ channel: name, notification });
    };
    this.bench.channels.set(name, { from: "warning", keepsAlerts: false, send, ...patch });
  }

  /** `opened www: renewal failed …` of one channel, or of all. */
  texts(channel?: string): string[] {
    const own = this.sent.filter((each) => channel === undefined || each.channel === channel);
    return own.map(({ notification: { event, message } }) => `${event.replace("alert.", "")} ${message}`);
  }

  /** Plans what is due and does everything that follows from it. */
  async renew(): Promise<void> {
    await configure(this.context, NO_SIGNAL);
    await planDue(this.context, NO_SIGNAL);
    await this.#work();
    await sweep(this.context, NO_SIGNAL);
    await this.#work();
  }

  /** As a renewal that failed at the certificate's target leaves its record, in a tenth of the time. */
  async fail(...names: readonly string[]): Promise<void> {
    const { store, now, certificates } = this.bench;
    await store.certificates.sync(certificates, now);
    for (const name of names) {
      const code =
        this.broken.get(`target ${this.context.services.certificate(name)?.targets[0]}`) ?? "deploy.unreachable";
      await store.certificates.update(name, { failures: 1, lastErrorCode: code, lastErrorMessage: "no socket" });
      const of = { certificate: name, renewalId: null, target: null, detail: { code } };
      await store.events.append({ at: now, type: "renewal.failed", ...of });
    }
  }

  /** As a renewal that succeeded leaves its record. */
  async heal(...names: readonly string[]): Promise<void> {
    const { store } = this.bench;
    for (const name of names) {
      await store.certificates.update(name, { failures: 0, lastErrorCode: null, lastErrorMessage: null });
      await this.succeeded(store, name);
    }
  }

  /** So many times. */
  async succeeded({ events }: Pick<Store, "events">, certificate: string, times = 1): Promise<void> {
    const event = {
      at: this.bench.now,
      type: "renewal.succeeded",
      certificate,
      renewalId: null,
      target: null,
    } as const;
    for (let time = 0; time < times; time += 1) await events.append({ ...event, detail: {} });
  }

  /** People are notified of what there is after this time. */
  async after(durationMs: number): Promise<void> {
    this.bench.now += durationMs;
    await raiseAlerts(this.context, NO_SIGNAL, this.#looked);
    await deliverNotifications(this.context, NO_SIGNAL);
  }

  /** The target serves something else from now on. */
  readonly forget = (target: string): void => {
    for (const key of this.#served.keys()) if (key.startsWith(`${target} `)) this.#served.set(key, "another");
  };

  async #work(): Promise<void> {
    const { jobs } = this.bench;
    for (let job = jobs.shift(); job !== undefined; job = jobs.shift()) {
      if (job.kind === "issue") await issue(this.context, job.renewalId, NO_SIGNAL);
      if (job.kind === "deploy") await deploy(this.context, job.renewalId, job.target, NO_SIGNAL);
      if (job.kind === "verify") await verify(this.context, job.renewalId, NO_SIGNAL);
    }
  }

  #breaks(...places: readonly string[]): void {
    for (const place of places) {
      const code = this.broken.get(place);
      if (code !== undefined) throw new RenewalError(code, `${place} is broken`);
    }
  }
}

/** At one issuer, behind one solver and at one target, whose endpoint it has. */
export function alertCertificate(name: string, patch: Partial<Certificate> = {}): Certificate {
  const [target = "lb"] = patch.targets ?? [];
  const value = `${name}.example.org`;
  return certificate({
    name,
    targets: [target],
    endpoints: [{ host: target, port: 443, sni: value, target }],
    identifiers: [{ type: "dns", value }],
    registeredDomains: [`${name}.org`],
    digest: `digest-${name}`,
    targetDigests: { [target]: "1" },
    ...patch,
  });
}
