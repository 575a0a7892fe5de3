// Port 80 as real installations have it: a load balancer that asks another responder when one does not answer.
import { once } from "node:events";
import { createServer, request } from "node:http";
import { setTimeout as delay } from "node:timers/promises";

const ANSWER_TIMEOUT_MS = 2_000;
/** For so long a question of the CA waits for a responder. */
export const GIVE_UP_MS = 15_000;
const PAUSE_MS = 50;

/** A question of the CA that no responder answered before it gave up. */
export interface Unanswered {
  /** The name that it validates. */
  readonly name: string;
  /** ms since epoch, when it asked. */
  readonly at: number;
}

export interface Front extends AsyncDisposable {
  readonly unanswered: readonly Unanswered[];
}

export async function startFront(port: number, backends: readonly number[]): Promise<Front> {
  const unanswered: Unanswered[] = [];
  const server = createServer((incoming, outgoing) => {
    const at = Date.now();
    const host = incoming.headers.host ?? "";
    void answer(incoming.url ?? "/", host).then(({ status, body }) => {
      if (status === 502 || incoming.socket.destroyed) unanswered.push({ name: host.replace(/:\d+$/, ""), at });
      outgoing.writeHead(status, { connection: "close" }).end(body);
    });
  });
  const answer = async (path: string, host: string): Promise<{ status: number; body: string }> => {
    const deadline = performance.now() + GIVE_UP_MS;
    do {
      for (const backend of backends) {
        const found = await ask(backend, path, host);
        // 503: it could not read the database just now.
        if (found !== null && found.status !== 503) return found;
      }
      await delay(PAUSE_MS);
    } while (performance.now() < deadline);
    return { status: 502, body: "" };
  };
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  return {
    unanswered,
    async [Symbol.asyncDispose]() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

function ask(port: number, path: string, host: string): Promise<{ status: number; body: string } | null> {
  return new Promise((resolve) => {
    const outgoing = request(
      { host: "127.0.0.1", port, path, headers: { host }, agent: false, timeout: ANSWER_TIMEOUT_MS },
      (response) => {
        let body = "";
        response.setEncoding("latin1");
        response.on("data", (chunk: string) => {
          body += chunk;
        });
        response.on("end", () => resolve({ status: response.statusCode ?? 502, body }));
        response.on("error", () => resolve(null));
        response.on("close", () => resolve(null));
      },
    );
    outgoing.on("timeout", () => outgoing.destroy());
    outgoing.on("error", () => resolve(null));
    outgoing.end();
  });
}
