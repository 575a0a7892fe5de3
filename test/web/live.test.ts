import { expect, test } from "vitest";
import { createWebEstate } from "../support/system/webEstate.ts";

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
