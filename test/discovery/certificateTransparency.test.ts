import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";
import { fetchLogged, searchLogs } from "../../src/discovery/certificateTransparency.ts";
import { createRoot } from "../support/ca/pki.ts";

const NOW = Date.parse("2026-11-29T00:00:00Z");
let server: Server | null = null;
afterEach(() => new Promise((done) => (server === null ? done(null) : server.close(done))));

async function answering(write: (path: string) => Iterable<string | Buffer>, status = 200): Promise<string> {
  server = createServer((request, response) => {
    response.writeHead(status);
    const chunks = write(request.url ?? "")[Symbol.iterator]();
    const more = (): void => {
      for (let next = chunks.next(); ; next = chunks.next()) {
        if (next.done === true) return void response.end();
        if (!response.write(next.value)) return void response.once("drain", more);
      }
    };
    response.once("error", () => response.destroy());
    more();
  });
  server.listen(0, "127.0.0.1");
  await new Promise((done) => server?.once("listening", done));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const entry = (patch: object = {}) => ({
  ...{ id: 7, serial_number: "00ab12", issuer_name: "C=US, O=Let's Encrypt, CN=R3", common_name: "www.example.org" },
  ...{
    name_value: "www.example.org\nexample.org",
    not_before: "2026-10-01T00:00:00",
    not_after: "2026-12-30T00:00:00",
  },
  ...patch,
});
const searched = (url: string, max = 100) =>
  searchLogs("example.org", { search: `${url}/?q={domain}`, max, now: NOW }, AbortSignal.timeout(20_000));

test("each serial once, valid ones only, those that end first come first", async () => {
  const url = await answering(() => [
    JSON.stringify([
      entry(),
      entry({ id: 8, serial_number: "AB12" }),
      entry({ id: 9, serial_number: "1", not_after: "2026-11-30T00:00:00" }),
      entry({ id: 10, serial_number: "2", not_after: "2026-11-28T00:00:00" }),
      entry({ id: 11, serial_number: "3", name_value: "notexample.org", common_name: "x.test" }),
      { nonsense: true },
      entry({ id: 12, serial_number: "4", not_after: "never" }),
    ]),
  ]);
  const { certificates, isCapped } = await searched(url);
  expect(isCapped).toBe(false);
  expect(certificates.map(({ serial, id, names }) => [serial, id, names])).toEqual([
    ["1", "9", ["www.example.org", "example.org"]],
    ["AB12", "7", ["www.example.org", "example.org"]],
  ]);
});

test("100,000 entries are read as they come, and no more than was asked for", async () => {
  let sent = 0;
  const url = await answering(function* () {
    yield "[";
    for (; sent < 100_000; sent++)
      yield `${sent === 0 ? "" : ","}${JSON.stringify(entry({ id: sent, serial_number: sent.toString(16).padStart(6, "a") }))}`;
    yield "]";
  });
  const { certificates, isCapped } = await searched(url, 500);
  expect([certificates.length, isCapped]).toEqual([500, true]);
  expect(sent).toBeLessThan(100_000);
});

test("text that acts, in names and issuers, is one line that does nothing", async () => {
  const url = await answering(() => [
    JSON.stringify([
      entry({ name_value: "\u001b[31m.example.org\n\u202eevil.example.org", issuer_name: "CN=a\u0007\nb" }),
    ]),
  ]);
  const [found] = (await searched(url)).certificates;
  expect(JSON.stringify(found)).not.toMatch(/\\u001b|\u202e|\\u0007|\\n/);
});

test.each([
  ["a page of HTML", ["<html>too many requests</html>"], 200],
  ["no list", ['{"a":1}'], 200],
  ["half an answer", ['[{"id":1,'], 200],
  ["an entry that never ends", [`[{"id":"${"x".repeat(600_000)}`], 200],
  ["brackets without end", [`[${"[".repeat(600_000)}`], 200],
  ["an error", ["busy"], 503],
])("%s is said to be what it is", async (_, chunks, status) => {
  await expect(searched(await answering(() => chunks, status))).rejects.toThrow(
    /127\.0\.0\.1:\d+ \(Certificate Transparency\): (it|its) /,
  );
});

test("one certificate is fetched, and refused when it is another one", async () => {
  const { certPem } = await (await createRoot()).issue({ names: ["www.example.org"], serial: "0ab12c" });
  const url = await answering((path) => (path.endsWith("id=1") ? [certPem] : ["x".repeat(900_000)]));
  const fetched = (id: string, serial: string) =>
    fetchLogged({ id, serial }, `${url}/?id={id}`, AbortSignal.timeout(20_000));
  expect(await fetched("1", "AB12C")).toMatchObject({ names: ["www.example.org"] });
  expect(await fetched("1", "AB12D")).toBeNull();
  await expect(fetched("2", "AB12C")).rejects.toThrow(/more than a certificate/);
});
