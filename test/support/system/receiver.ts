import { once } from "node:events";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";

export interface Received {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** `text` parsed. */
  readonly body: unknown;
}

export interface Receiver extends AsyncDisposable {
  readonly url: string;
  readonly received: readonly Received[];
  /** Status and headers of the next answers; 200 unless set. */
  answer: { readonly status: number; readonly headers?: Readonly<Record<string, string>> };
}

/** Takes JSON as the APIs of notification services do. */
export async function startReceiver(): Promise<Receiver> {
  const received: Received[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(Buffer.from(chunk));
    const text = Buffer.concat(chunks).toString();
    received.push({ path: request.url ?? "", headers: request.headers, text, body: JSON.parse(text) });
    response.writeHead(receiver.answer.status, receiver.answer.headers).end("said so");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo; // It listens on TCP.
  const receiver: Receiver = {
    url: `http://127.0.0.1:${port}`,
    received,
    answer: { status: 200 },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
  return receiver;
}
