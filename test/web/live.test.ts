import { once } from "node:events";
import { createServer, get, type IncomingMessage } from "node:http";
import { StatementSync } from "node:sqlite";
import { afterEach, expect, test, vi } from "vitest";
import { pause } from "../../src/renewal/operator/pause.ts";
import { nodeListener } from "../../src/web/nodeListener.ts";
import { createWebEstate } from "../support/system/webEstate.ts";

afterEach(() => vi.restoreAllMocks());

/** Reads a stream; each call says what has come since, once it is enough. */
function listener(response: Response): (enough: (text: string) => boolean) => Promise<string> {
  const reader = response.body?.getReader();
  const decoder = new TextDecoder();
  let text = "";
  return async (enough) => {
    while (reader !== undefined && !enough(text)) {
      const { done, value } = await reader.read();
      if (done) break;
      text += decoder.decode(value, { stream: true });
    }
    const said = text;
    text = "";
    return said;
  };
}

const changes = (text: string): number => text.split("event: renewd-changed").length - 1;

test("a burst of events is one change of the page, and a browser that comes back is told at once", async () => {
  await using estate = await createWebEstate();
  const event = { type: "certificate.rehearsed", renewalId: null, target: null, detail: { passed: true } } as const;
  const happen = (times: number): Promise<void> =>
    estate.store.transaction(async (tx) => {
      for (let index = 0; index < times; index++) await tx.events.append({ ...event, at: index, certificate: "www" });
    });
  const ended = new AbortController();
  const headers = { accept: "text/event-stream" };
  const live = await estate.ask("/live", { headers, signal: ended.signal });
  expect(live.headers.get("content-type")).toContain("text/event-stream");
  const hear = listener(live);
  // The stream listens from some instant on: something happens until it has heard it.
  const first = setInterval(() => void happen(1), 200);
  await hear((text) => changes(text) > 0);
  clearInterval(first);
  await happen(300);
  expect(changes(await hear((text) => changes(text) > 0))).toBe(1);
  const again = await estate.ask("/live", { headers: { ...headers, "last-event-id": "7" }, signal: ended.signal });
  expect(changes(await listener(again)((text) => text.includes("\n\n")))).toBe(1);
  ended.abort();
});

test("what changed between the reading of a page and its stream is said at once, and then shown", async () => {
  await using estate = await createWebEstate();
  const ended = new AbortController();
  const pageAt = async (): Promise<{ readonly text: string; readonly stream: string }> => {
    const text = await (await estate.ask("/certificates/www", { headers: { accept: "text/html" } })).text();
    return { text, stream: /hx-sse:connect="([^"]+)"/.exec(text)?.[1] ?? "" };
  };
  const firstSaid = async (stream: string): Promise<string> =>
    listener(await estate.ask(stream, { signal: ended.signal }))((text) => text.includes("\n\n"));
  const { text, stream } = await pageAt();
  expect(text).not.toContain("why it waits");
  await pause(estate.store, { certificate: "www", until: null, reason: "why it waits" }, Date.now());
  expect(changes(await firstSaid(stream))).toBe(1);
  // At once: the reading that other pages share is not a second old.
  const again = await pageAt();
  expect(again.text).toContain("why it waits");
  expect(changes(await firstSaid(again.stream))).toBe(0);
  ended.abort();
});

test("a hundred tabs hear of a change, with one question to the database at a time for all of them", async () => {
  await using estate = await createWebEstate();
  const server = createServer(nodeListener(estate.app, estate.web.readers)).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const open = async (path: string): Promise<IncomingMessage> => {
    const request = get({
      port,
      host: "127.0.0.1",
      path,
      headers: { authorization: `Bearer ${estate.token}` },
      agent: false,
    });
    const [response] = (await once(request, "response")) as [IncomingMessage];
    return response;
  };
  const tabs = await Promise.all(Array.from({ length: 100 }, () => open("/live")));
  const spy = vi.spyOn(StatementSync.prototype, "iterate");
  const at = performance.now();
  // One of them never reads, as a browser that sleeps.
  const [asleep, ...awake] = tabs;
  asleep?.pause();
  const registered: Promise<unknown>[] = [];
  const heard = awake.map(async (tab) => {
    const first = Promise.withResolvers<void>();
    registered.push(first.promise);
    for await (const chunk of tab) {
      first.resolve();
      if (String(chunk).includes("renewd-changed")) return true;
    }
    return false;
  });
  await Promise.all(registered);
  await estate.store.events.append({
    ...{ at: 1, type: "certificate.rehearsed", certificate: "www", renewalId: null, target: null },
    detail: { passed: true },
  });
  expect((await Promise.all(heard)).filter((each) => each)).toHaveLength(99);
  const polls = spy.mock.contexts.filter(
    (each) => each instanceof StatementSync && /from "events" where "seq" > \?/.test(each.sourceSQL),
  );
  // Twice a second for all of them, and once for each as it begins.
  expect(polls.length).toBeLessThanOrEqual(100 + (performance.now() - at) / 500 + 2);
  for (const tab of tabs) tab.destroy();
  server.closeAllConnections();
  server.close();
});
