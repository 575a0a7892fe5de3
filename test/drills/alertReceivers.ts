// Receivers of alerts that obey the documented rules of theirs, and note what each process sent.
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { SMTPServer } from "smtp-server";
import { z } from "zod";

/** One message that a receiver took. */
export interface Arrival {
  readonly channel: "hook" | "mail";
  /** By which the receiver tells that it has it: `webhook-id`, or the Message-ID. */
  readonly id: string;
  /** Eight hexadecimal digits. */
  readonly alert: string;
  readonly event: string;
  /** Which process sent it. */
  readonly run: number;
}

/** What a pager has of one key: PagerDuty's dedup_key, JSM's alias. */
export interface Incident {
  opened: number;
  closed: number;
  isOpen: boolean;
}

export class AlertReceivers implements AsyncDisposable {
  readonly arrivals: Arrival[] = [];
  readonly incidents = { pager: new Map<string, Incident>(), jsm: new Map<string, Incident>() };
  /** Alertmanager's own messages: `firing` and `resolved` of each alert. */
  readonly monitored = new Map<string, { firing: number; resolved: number }>();
  /** Mail and pager do not answer. */
  isOutage = false;
  run = 0;
  /** Called for each message that was taken and not yet answered. */
  beforeAnswer: () => void = () => {};
  refusals = 0;
  #ports = { http: 0, mail: 0 };
  readonly #stack = new AsyncDisposableStack();

  static async open(): Promise<AlertReceivers> {
    const receivers = new AlertReceivers();
    await receivers.#listen();
    return receivers;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }

  get url(): string {
    return `http://127.0.0.1:${this.#ports.http}`;
  }

  get mailPort(): number {
    return this.#ports.mail;
  }

  async #listen(): Promise<void> {
    const http = createServer(async (request, response) => {
      const isPager = request.url?.startsWith("/v2/enqueue") === true;
      if (this.isOutage && isPager) {
        this.refusals += 1;
        // Half of the time it is not there at all.
        if (this.refusals % 2 === 0) return void request.socket.destroy();
        return void response.writeHead(503).end();
      }
      this.#take(request, JSON.parse(await text(request)));
      if (!(request.url ?? "").startsWith("/alertmanager")) this.beforeAnswer();
      response.writeHead(202, { "content-type": "application/json" }).end("{}");
    });
    http.listen(0, "127.0.0.1");
    await once(http, "listening");
    this.#stack.defer(async () => {
      http.closeAllConnections();
      http.close();
      await once(http, "close");
    });
    const mail = this.#mailServer();
    mail.listen(0, "127.0.0.1");
    await once(mail.server, "listening");
    this.#stack.defer(() => new Promise<void>((resolve) => mail.close(resolve)));
    // Both listen on TCP.
    this.#ports = { http: (http.address() as AddressInfo).port, mail: (mail.server.address() as AddressInfo).port };
  }

  #mailServer(): SMTPServer {
    const server = new SMTPServer({
      authOptional: true,
      disableReverseLookup: true,
      disabledCommands: ["STARTTLS", "AUTH"],
      onConnect: (_session, done) => {
        if (!this.isOutage) return done();
        this.refusals += 1;
        done(Object.assign(new Error("try later"), { responseCode: 421 }));
      },
      onData: (stream, _session, done) => {
        void text(stream).then(
          (mail) => {
            const field = (pattern: RegExp): string => pattern.exec(mail)?.[1] ?? "";
            const event = field(/^X-Renewd-Event: (.*)\r$/m);
            const of = { id: field(/^Message-ID: (.*)\r$/m), event, alert: field(/^Alert: ([0-9a-f]{8})\r$/m) };
            this.arrivals.push({ channel: "mail", ...of, run: this.run });
            this.beforeAnswer();
            done();
          },
          // Its sender was killed in the middle: that is no message.
          () => {},
        );
      },
    });
    // A client that is killed.
    server.on("error", () => {});
    return server;
  }

  #take({ url = "", headers }: IncomingMessage, body: unknown): void {
    if (url === "/hook") {
      const { alert, event } = z.object({ alert: z.string(), event: z.string() }).parse(body);
      const id = String(headers["webhook-id"]);
      this.arrivals.push({ channel: "hook", id, event, alert: alert.replace("alert/", ""), run: this.run });
    } else if (url === "/v2/enqueue") this.#enqueue(enqueued.parse(body));
    else if (url === "/alertmanager") for (const alert of monitored.parse(body).alerts) this.#monitor(alert);
    else this.#jsm(url, body);
  }

  /** developer.pagerduty.com: events with the dedup_key of an open incident are part of it. */
  #enqueue({ event_action, dedup_key }: z.output<typeof enqueued>): void {
    change(this.incidents.pager, dedup_key, event_action === "trigger" ? "open" : "close");
  }

  /** Create with the alias of an open alert counts it up (docs.opsgenie.com/docs/alert-deduplication). */
  #jsm(url: string, body: unknown): void {
    const [, closed] = /^\/v2\/alerts\/([^/]+)\/close\?identifierType=alias$/.exec(url) ?? [];
    if (closed !== undefined) change(this.incidents.jsm, decodeURIComponent(closed), "close");
    else change(this.incidents.jsm, z.object({ alias: z.string() }).parse(body).alias, "open");
  }

  #monitor({ status, labels }: z.output<typeof monitored>["alerts"][number]): void {
    const known = this.monitored.get(labels.alert) ?? { firing: 0, resolved: 0 };
    known[status] += 1;
    this.monitored.set(labels.alert, known);
  }
}

const enqueued = z.object({ event_action: z.enum(["trigger", "resolve"]), dedup_key: z.string() });
const monitored = z.object({
  alerts: z.array(z.object({ status: z.enum(["firing", "resolved"]), labels: z.object({ alert: z.string() }) })),
});

function change(incidents: Map<string, Incident>, key: string, to: "open" | "close"): void {
  const known = incidents.get(key) ?? { opened: 0, closed: 0, isOpen: false };
  if (to === "open" && !known.isOpen) known.opened += 1;
  if (to === "close" && known.isOpen) known.closed += 1;
  known.isOpen = to === "open";
  incidents.set(key, known);
}
