// What the CA was asked, told apart by certificate and step, with failpoints between CA and worker.
import type { Interceptor, ProxiedRequest, ProxyAnswer } from "../support/ca/acmeProxy.ts";

export const STEPS = ["newOrder", "challenge", "finalize", "download"] as const;
export type Step = (typeof STEPS)[number];

export interface OpenedOrder {
  readonly url: string;
  readonly certificate: string;
  /** ms since epoch: the request reached the proxy, the answer left it. */
  readonly receivedAt: number;
  readonly answeredAt: number;
}

export interface Failpoint {
  readonly certificate: string;
  readonly step: Step;
  /** Before the CA is asked, or after it has answered and before the worker hears of it. */
  readonly moment: "before" | "after";
  readonly act: () => Promise<"reset" | "goOn">;
}

export class Ledger {
  readonly orders: OpenedOrder[] = [];
  /** Set: no worker reaches the CA. */
  partitioned = false;
  readonly #failpoints: Failpoint[] = [];
  /** URL path → what it belongs to, learnt from the CA's own answers. */
  readonly #known = new Map<string, { certificate: string; step: Step | null }>();
  readonly #certificateByName: ReadonlyMap<string, string>;

  /** `names`: DNS name → certificate. */
  constructor(names: ReadonlyMap<string, string>) {
    this.#certificateByName = names;
  }

  arm(failpoint: Failpoint): void {
    this.#failpoints.push(failpoint);
  }

  readonly intercept: Interceptor = async (request, forward) => {
    if (this.partitioned) return "reset";
    const receivedAt = Date.now();
    const { certificate, step } = this.#of(request);
    if (step !== null && (await this.#hit(certificate, step, "before")) === "reset") return "reset";
    const answer = await forward();
    const answeredAt = Date.now();
    if (certificate !== "") this.#learn(answer, certificate);
    const location = answer.headers.location;
    if (step === "newOrder" && answer.status === 201)
      this.orders.push({ url: String(location), certificate, receivedAt, answeredAt });
    if (step !== null && answer.status < 300 && (await this.#hit(certificate, step, "after")) === "reset")
      return "reset";
    return this.partitioned ? "reset" : answer;
  };

  #of({ resource, path, payload }: ProxiedRequest): { certificate: string; step: Step | null } {
    if (resource === "newOrder") return { certificate: this.#named(payload), step: "newOrder" };
    const known = this.#known.get(path) ?? { certificate: "", step: null };
    // Asking for a challenge's state is no answer to it.
    return known.step === "challenge" && payload === null ? { ...known, step: null } : known;
  }

  #named(payload: unknown): string {
    for (const [name, certificate] of this.#certificateByName)
      if (JSON.stringify(payload).includes(`"${name}"`)) return certificate;
    return "";
  }

  async #hit(certificate: string, step: Step, moment: Failpoint["moment"]): Promise<"reset" | "goOn"> {
    const index = this.#failpoints.findIndex(
      (point) => point.certificate === certificate && point.step === step && point.moment === moment,
    );
    const [point] = index < 0 ? [] : this.#failpoints.splice(index, 1);
    return point === undefined ? "goOn" : point.act();
  }

  /** RFC 8555: orders name authorizations, finalize and certificate; authorizations name challenges. */
  #learn({ headers, body }: ProxyAnswer, certificate: string): void {
    const learn = (url: unknown, step: Step | null): void => {
      if (typeof url === "string" && URL.canParse(url)) this.#known.set(new URL(url).pathname, { certificate, step });
    };
    learn(headers.location, null);
    if (!body.startsWith("{")) return;
    const facts: Readonly<Record<string, unknown>> = JSON.parse(body);
    learn(facts.finalize, "finalize");
    learn(facts.certificate, "download");
    for (const url of listOf(facts.authorizations)) learn(url, null);
    for (const challenge of listOf(facts.challenges)) {
      if (typeof challenge === "object" && challenge !== null && "url" in challenge) learn(challenge.url, "challenge");
    }
  }
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
