import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

export interface Hook extends AsyncDisposable {
  readonly url: string;
  /** What was posted and taken, parsed. */
  readonly taken: Readonly<Record<string, unknown>>[];
  /** Status of the next answers; 200 unless set. 0: no answer at all. */
  answer: number;
  /** What has this in it is answered with 500; null: nothing. */
  refuses: string | null;
  /** Requests of any outcome. */
  readonly requests: () => number;
}

/** A receiver of notifications. */
export async function startHook(): Promise<Hook> {
  const taken: Record<string, unknown>[] = [];
  let requests = 0;
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(Buffer.from(chunk));
    requests += 1;
    if (hook.answer === 0) return void request.socket.destroy();
    const text = Buffer.concat(chunks).toString();
    if (hook.refuses !== null && text.includes(hook.refuses)) return void response.writeHead(500).end();
    if (hook.answer < 300) taken.push({ ...JSON.parse(text), key: request.headers["idempotency-key"] });
    response.writeHead(hook.answer, hook.answer === 302 ? { location: "/elsewhere" } : {}).end("said so");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo; // It listens on TCP.
  const hook: Hook = {
    url: `http://127.0.0.1:${port}/services/T0/s3cr3t-t0ken`,
    taken,
    answer: 200,
    refuses: null,
    requests: () => requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
  return hook;
}
