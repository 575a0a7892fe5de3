import { afterAll, beforeAll, expect, test } from "vitest";
import type { EventType } from "../../src/domain/event.ts";
import { createEventFeed } from "../../src/web/eventFeed.ts";
import { createWebEstate, WEB_ORIGIN, type WebEstate } from "../support/system/webEstate.ts";

let estate: WebEstate;
beforeAll(async () => {
  estate = await createWebEstate();
});
afterAll(() => estate[Symbol.asyncDispose]());

const append = (certificate: string, why: string, type: EventType = "certificate.retried"): Promise<void> =>
  estate.store.events.append({ at: Date.now(), type, certificate, renewalId: null, target: null, detail: { why } });

interface Frame {
  readonly id: string;
  readonly event: string;
  readonly data: string;
}

/** Frames of a stream as they come; what is no event is left out. */
async function* frames(response: Response): AsyncGenerator<Frame> {
  let text = "";
  for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += chunk;
    for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
      const members = Object.fromEntries(
        text
          .slice(0, end)
          .split("\n")
          .map((line) => line.split(/: (.*)/s)),
      );
      text = text.slice(end + 2);
      if (typeof members.id === "string") yield members as unknown as Frame;
    }
  }
}

async function take(stream: AsyncGenerator<Frame>, count: number): Promise<Frame[]> {
  const found: Frame[] = [];
  while (found.length < count) {
    const next = await stream.next();
    if (next.done === true) break;
    found.push(next.value);
  }
  return found;
}

test("events come as they are written, and after Last-Event-ID those that were missed", async () => {
  await append("www", "before");
  const first = frames(await estate.ask("/api/v1/events/stream"));
  const coming = take(first, 2);
  await append("www", "one");
  await append("api", "two\nevent: forged\n\n");
  const seen = await coming;
  expect(seen.map(({ data }) => (JSON.parse(data) as { detail: { why: string } }).detail.why)).toEqual([
    "one",
    expect.stringContaining("two"),
  ]);
  expect(seen.map(({ event }) => event)).toEqual(["certificate.retried", "certificate.retried"]);
  await first.return(undefined);
  await append("www", "missed");
  const again = frames(
    await estate.ask("/api/v1/events/stream?certificate=www", { headers: { "last-event-id": seen[0]?.id ?? "" } }),
  );
  const [missed] = await take(again, 1);
  expect(missed?.data).toContain('"missed"');
  await again.return(undefined);
});

test("a reader that stays over a restart of the web role gets every event once", async () => {
  const { createApp } = await import("../../src/web/app.ts");
  const serve = () => {
    const web = { ...estate.web, events: createEventFeed(estate.web.renewal) };
    return { app: createApp(web), events: web.events };
  };
  const open = async (
    { app }: ReturnType<typeof serve>,
    lastEventId: string | null,
  ): Promise<AsyncGenerator<Frame>> => {
    const headers = { authorization: `Bearer ${estate.token}`, ...(lastEventId && { "last-event-id": lastEventId }) };
    return frames(await app.request(`${WEB_ORIGIN}/api/v1/events/stream?certificate=restarted`, { headers }));
  };
  const seen: Frame[] = [];
  const expected: string[] = [];
  const write = async (why: string): Promise<void> => {
    expected.push(why);
    await append("restarted", why);
  };
  for (const round of ["a", "b", "c"]) {
    const served = serve();
    const stream = await open(served, seen.at(-1)?.id ?? "0");
    await write(`${round} while it is read`);
    // Only some of what there is by then was read when the role stops.
    seen.push(...(await take(stream, 2 - (round === "a" ? 1 : 0))));
    await write(`${round} perhaps on its way`);
    served.events.close();
    await stream.return(undefined);
    await write(`${round} while nobody serves`);
  }
  const last = serve();
  const stream = await open(last, seen.at(-1)?.id ?? "0");
  seen.push(...(await take(stream, expected.length - seen.length)));
  last.events.close();
  await stream.return(undefined);
  expect(seen.map(({ data }) => (JSON.parse(data) as { detail: { why: string } }).detail.why)).toEqual(expected);
});

test("a hundred readers get every event once, in order", async () => {
  const readers = await Promise.all(
    Array.from({ length: 100 }, async () => frames(await estate.ask("/api/v1/events/stream?certificate=many"))),
  );
  const coming = readers.map((reader) => take(reader, 5));
  for (const why of ["1", "2", "3", "4", "5"]) await append("many", why);
  for (const seen of await Promise.all(coming)) {
    const ids = seen.map(({ id }) => Number(id));
    expect(ids).toEqual(ids.toSorted((a, b) => a - b));
    expect(new Set(ids).size).toBe(5);
  }
  await Promise.all(readers.map((reader) => reader.return(undefined)));
});

test("a number that is no event's is refused", async () => {
  const response = await estate.ask("/api/v1/events/stream", { headers: { "last-event-id": "1; drop" } });
  expect(response.status).toBe(400);
});

test("HEAD leaves no stream open", async () => {
  for (let round = 0; round < 600; round += 1) await estate.ask("/api/v1/events/stream", { method: "HEAD" });
  const stream = await estate.ask("/api/v1/events/stream");
  expect(stream.status).toBe(200);
  await stream.body?.cancel();
});
