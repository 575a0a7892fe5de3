// Any request at the web port is answered with a status that says what is wrong, and never 500.
import { once } from "node:events";
import { createServer, type IncomingMessage, request } from "node:http";
import type { AddressInfo } from "node:net";
import { apiDocument } from "../../src/web/api/document.ts";
import { nodeListener } from "../../src/web/nodeListener.ts";
import { version } from "../support/model/facts.ts";
import { seeded } from "../support/model/random.ts";
import { createWebEstate } from "../support/system/webEstate.ts";
import { type ApiRequest, randomRequest } from "../support/web/apiRequests.ts";
import type { Drill } from "./drill.ts";

const REQUESTS = 5_000;
const AT_ONCE = 8;
/** Each takes seconds: a CA, DNS and this machine are asked. They get some requests of their own. */
const SLOW = ["revoke", "checkCertificate", "getDoctor", "getAccount", "dialEndpoints", "listChallenges"];
const SLOW_REQUESTS = 60;

const fuzz: Drill = {
  name: "api-fuzz",
  faults: "",
  title: `${REQUESTS} requests that are nearly right, for every operation, over real connections`,
  quick: false,
  async alone({ seed }) {
    await using estate = await createWebEstate();
    await estate.installation.issue(version({ certificate: "www" }));
    const listener = nodeListener(estate.app, estate.web.readers);
    const server = createServer({ maxHeaderSize: 16_384 }, listener).listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const problems: string[] = [];
    const statuses = new Map<number, number>();
    const document = apiDocument("0.0.0");
    const all = Object.values(document.paths).flatMap((methods) => Object.values(methods));
    const fast = all.map(({ operationId }) => operationId).filter((id) => !SLOW.includes(id));
    const random = seeded(seed);
    const at = Date.now();
    const send = async (count: number, without: readonly string[]): Promise<void> => {
      const asked = randomRequest(document, random, without);
      const status = await answered(port, estate.token, asked).catch((thrown: unknown) => String(thrown));
      if (typeof status === "number") statuses.set(status, (statuses.get(status) ?? 0) + 1);
      if (typeof status === "string" || status === 500)
        problems.push(`request ${count}: ${asked.method} ${asked.path} ${asked.body?.slice(0, 300)}: ${status}`);
    };
    try {
      for (let count = 0; count < REQUESTS; count += AT_ONCE)
        await Promise.all(Array.from({ length: AT_ONCE }, (_, index) => send(count + index, SLOW)));
      for (let count = 0; count < SLOW_REQUESTS; count += 1) await send(REQUESTS + count, fast);
    } finally {
      server.closeAllConnections();
      server.close();
    }
    const said = [...statuses].sort(([a], [b]) => a - b).map(([status, count]) => `${status}: ${count}`);
    return { injections: [{ at, convergedAt: Date.now() }], notes: [said.join(", ")], problems };
  },
};

async function answered(port: number, token: string, { method, path, headers, body }: ApiRequest): Promise<number> {
  const sent = request({
    port,
    host: "127.0.0.1",
    method,
    path,
    headers: {
      authorization: `Bearer ${token}`,
      ...headers,
      ...(body === null ? {} : { "content-length": Buffer.byteLength(body) }),
    },
    agent: false,
    signal: AbortSignal.timeout(60_000),
  });
  sent.end(method === "HEAD" ? undefined : (body ?? undefined));
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  // A stream of events would not end.
  if (response.headers["content-type"] === "text/event-stream") sent.destroy();
  else {
    response.resume();
    await once(response, "end");
  }
  return response.statusCode ?? 0;
}

export const API_DRILLS: readonly Drill[] = [fuzz];
