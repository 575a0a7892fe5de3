import { createSocket, type RemoteInfo } from "node:dgram";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Answer, decode, encode } from "dns-packet";
import { afterEach, beforeEach, expect, it } from "vitest";
import { renderDelegation } from "../../src/cli/render/delegation.ts";
import { delegationReport } from "../../src/compose/delegation.ts";
import { createLookup } from "../../src/solvers/dns/lookup.ts";
import { delegatedName } from "../../src/solvers/dns/server/kind.ts";

const CONFIG = `version: 1
issuers: { ca: { directory: "https://ca.example/dir", contact: [a@example.org], termsOfServiceAgreed: true } }
solvers:
  own: { type: dns-server, domains: [acme.example.org, _acme-challenge.direct.example.org],
    nameServers: { ns1.acme.example.org: [192.0.2.1, "2001:db8::1"], ns.example.net: [] } }
targets: { files: { type: files, directory: /srv/certs, bundle: "{certificate}.pem", served: false } }
certificates:
  www: { issuer: ca, solver: own, targets: [files], names: [www.example.org, "*.www.example.org", direct.example.org], endpoints: [] }
`;
const ALIAS = delegatedName("www.example.org", "acme.example.org");
let directory: string;
let file: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "renewd-delegation-"));
  file = join(directory, "renewd.yaml");
  await writeFile(file, CONFIG);
});
afterEach(() => rm(directory, { recursive: true }));

/** A resolver that knows these records and no others. */
async function resolverWith(records: readonly Answer[], rcode = 0) {
  const socket = createSocket("udp4");
  socket.on("message", (message: Buffer, { port, address }: RemoteInfo) => {
    const { id, questions = [] } = decode(message);
    const [question] = questions;
    const answers = records.filter(({ name, type }) => name === question?.name && type === question?.type);
    socket.send(encode({ id: id ?? 0, type: "response", flags: 0x180 | rcode, questions, answers }), port, address);
  });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  const { port } = socket.address();
  const lookup = createLookup({ resolvers: [{ kind: "dns", address: "127.0.0.1", port }], port });
  return { lookup, [Symbol.dispose]: () => socket.close() };
}

const signal = (): AbortSignal => AbortSignal.timeout(10_000);

it("shows the CNAME of each name and the NS and address records of each zone, and what DNS has of them", async () => {
  using resolver = await resolverWith([
    { name: "_acme-challenge.www.example.org", type: "CNAME", data: ALIAS },
    { name: "acme.example.org", type: "NS", data: "ns1.acme.example.org" },
    { name: "ns1.acme.example.org", type: "A", data: "203.0.113.9" },
  ]);
  const report = await delegationReport(file, "www", signal(), resolver.lookup);
  expect(report.aliases).toEqual([
    {
      name: "_acme-challenge.www.example.org",
      type: "CNAME",
      value: ALIAS,
      state: "right",
      found: null,
      problem: null,
    },
  ]);
  expect(report.delegation.map(({ name, type, value, state, found }) => [name, type, value, state, found])).toEqual([
    ["acme.example.org", "NS", "ns1.acme.example.org", "right", null],
    ["acme.example.org", "NS", "ns.example.net", "wrong", "ns1.acme.example.org"],
    ["ns1.acme.example.org", "A", "192.0.2.1", "wrong", "203.0.113.9"],
    ["ns1.acme.example.org", "AAAA", "2001:db8::1", "missing", null],
    ["_acme-challenge.direct.example.org", "NS", "ns1.acme.example.org", "missing", null],
    ["_acme-challenge.direct.example.org", "NS", "ns.example.net", "missing", null],
  ]);
  const text = renderDelegation(report, { width: 60, colours: false });
  expect(text).toContain(`_acme-challenge.www.example.org.  CNAME  ${ALIAS}.`);
});

it("says what resolvers answered where that is of no use, as before the first run", async () => {
  using resolver = await resolverWith([], 2);
  const report = await delegationReport(file, "www", signal(), resolver.lookup);
  expect(report.delegation[0]).toMatchObject({ state: "unknown", problem: expect.stringContaining("SERVFAIL") });
  const text = renderDelegation(report, { width: 200, colours: false });
  expect(text).toMatch(/NS of acme\.example\.org: 127\.0\.0\.1\S* answered SERVFAIL/);
  expect(text).toContain("until it runs");
});

it("says that nothing was checked where no resolver answers", async () => {
  const lookup = createLookup({ resolvers: [{ kind: "dns", address: "127.0.0.1", port: 9 }], port: 9 });
  const { aliases } = await delegationReport(file, "*.other.example.org", signal(), lookup);
  expect(aliases.map(({ name, state }) => [name, state])).toEqual([["_acme-challenge.other.example.org", "unknown"]]);
});

it("asks the solver's own resolvers", async () => {
  using resolver = await resolverWith([{ name: "_acme-challenge.www.example.org", type: "CNAME", data: ALIAS }]);
  const [chosen] = resolver.lookup.resolvers;
  const at = chosen?.kind === "dns" ? `${chosen.address}:${chosen.port}` : "";
  await writeFile(file, CONFIG.replace("ns.example.net: [] } }", `ns.example.net: [] }, resolvers: ["${at}"] }`));
  expect((await delegationReport(file, "www", signal())).aliases).toMatchObject([{ state: "right" }]);
});

it("refuses what is neither a certificate nor a name", async () => {
  await expect(delegationReport(file, "nothing", signal())).rejects.toMatchObject({ code: "request.invalid" });
});
