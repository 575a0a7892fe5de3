import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type CaReach, createRevocationLists } from "../../src/acme/revocationLists.ts";
import type { Resolve } from "../../src/domain/systemResolve.ts";
import type { Version } from "../../src/domain/version.ts";
import { readLeaf } from "../../src/x509/leaf.ts";
import { type ListServer, makeCrl, REVOKED_AT, startListServer } from "../support/ca/crl.ts";
import { type Authority, createRoot } from "../support/ca/pki.ts";
import { version } from "../support/model/facts.ts";

const lists = createRevocationLists(() => ({ directory: "https://127.0.0.1:1/", privateAddresses: null }));
const running = (): AbortSignal => new AbortController().signal;

let server: ListServer;
let root: Authority;
let revoked: Version;
let fine: Version;
let list: Buffer;
let url: string;
beforeAll(async () => {
  server = await startListServer();
  url = `${server.url}/1.crl`;
  root = await createRoot();
  [revoked, fine] = [await issued("revoked"), await issued("fine")];
  list = await makeCrl(root, { revoked: { [revoked.leaf.serial]: "keyCompromise" } });
});
afterAll(() => server[Symbol.asyncDispose]());
beforeEach(() => {
  server.answer = (_request, response) => response.end(list);
});

async function issued(name: string): Promise<Version> {
  const { certPem } = await root.issue({ names: [`${name}.example`], crlUrls: [url] });
  return version({ certificate: name, leaf: readLeaf(certPem), leafPem: certPem, chainPem: [root.certPem] });
}

describe("the list a certificate names", () => {
  it("is found in it, and tells which are revoked", async () => {
    expect([revoked, fine].map((each) => lists.urlsOf(each))).toEqual([[url], [url]]);
    expect(await lists.fetch(url, [revoked, fine], running())).toEqual(
      new Map([[revoked, { at: REVOKED_AT, reason: "keyCompromise" }]]),
    );
  });

  it("is not sought without its issuer's certificate, nor in what is none", () => {
    expect(lists.urlsOf({ ...fine, chainPem: [] })).toEqual([]);
    expect(lists.urlsOf({ ...fine, leafPem: "rubbish" })).toEqual([]);
  });

  it.each([
    ["missing", 404],
    ["elsewhere", 302],
    ["out of order", 500],
  ])("that is %s is reported with its status, and nothing else is requested", async (_what, status) => {
    server.answer = (_request, response) =>
      response.writeHead(status, { location: `${server.url}/other` }).end("<html>");
    const before = server.asked.length;
    await expect(lists.fetch(url, [fine], running())).rejects.toMatchObject({
      code: "acme.server",
      message: expect.stringContaining(`status ${status}`),
    });
    expect(server.asked.slice(before)).toEqual(["/1.crl"]);
  });

  it.each<[string, () => Buffer]>([
    ["no list", () => Buffer.from("<html>welcome")],
    ["empty", () => Buffer.alloc(0)],
    ["cut", () => list.subarray(0, -1)],
  ])("that is %s is not believed", async (_what, body) => {
    server.answer = (_request, response) => response.end(body());
    await expect(lists.fetch(url, [revoked], running())).rejects.toMatchObject({
      code: "acme.server",
      message: expect.stringContaining("cannot be used"),
    });
  });

  it("that never ends is given up at its bound", async () => {
    server.answer = (_request, response) => {
      const more = (): void => {
        while (response.write(Buffer.alloc(1024 * 1024)));
      };
      response.on("drain", more);
      more();
    };
    await expect(lists.fetch(url, [revoked], running())).rejects.toMatchObject({
      code: "acme.server",
      message: expect.stringContaining("32 MB"),
    });
  });

  it("that cannot be reached is reported as such, and waiting ends with the signal", async () => {
    await expect(lists.fetch("http://127.0.0.1:1/1.crl", [fine], running())).rejects.toMatchObject({
      code: "acme.connection",
    });
    const stop = new AbortController();
    const asked = server.asked.length;
    server.answer = () => stop.abort(new Error("stopped"));
    await expect(lists.fetch(url, [fine], stop.signal)).rejects.toThrow("stopped");
    expect(server.asked.length).toBe(asked + 1);
  });
});

describe("where a certificate names its list", () => {
  const fetchWith = (ca: CaReach, resolve?: Resolve, at = url) =>
    createRevocationLists(ca, resolve).fetch(at, [fine], running());
  const publicCa: CaReach = () => ({ directory: "https://192.0.43.8/directory", privateAddresses: null });

  it.each([
    ["a private network", "http://10.0.0.1/1.crl", "in a private network"],
    ["this machine", "http://127.0.0.1:1/1.crl", "in a private network"],
    ["this machine, written as IPv6", "http://[::ffff:127.0.0.1]:1/1.crl", "in a private network"],
    ["a cloud's metadata service", "http://169.254.169.254/latest/meta-data", "metadata service"],
    ["a cloud's metadata service by IPv6", "http://[fd00:ec2::254]/", "metadata service"],
    ["a link-local address", "http://[fe80::1]/1.crl", "link-local"],
  ])("%s is not dialled for a public CA", async (_, at, why) => {
    await expect(fetchWith(publicCa, undefined, at)).rejects.toMatchObject({
      code: "acme.address",
      message: expect.stringContaining(why),
    });
  });

  it("a name is resolved once, and what was judged is dialled: no second look-up leads elsewhere", async () => {
    const asked: string[] = [];
    const rebinding: Resolve = async (host) => {
      asked.push(host);
      return [asked.length === 1 ? "127.0.0.1" : "169.254.169.254"];
    };
    const named = url.replace("127.0.0.1", "crl.example");
    const inside: CaReach = () => ({ directory: "https://ca.example/", privateAddresses: true });
    const before = server.asked.length;
    expect(await fetchWith(inside, rebinding, named)).toEqual(new Map());
    expect(asked).toEqual(["crl.example"]);
    expect(server.asked.slice(before)).toEqual(["/1.crl"]);
    await expect(fetchWith(inside, rebinding, named)).rejects.toMatchObject({ code: "acme.address" });
  });

  it("of several addresses only those are dialled that may be", async () => {
    const mixed: Resolve = async () => ["169.254.169.254", "127.0.0.1"];
    const inside: CaReach = () => ({ directory: "https://ca.example/", privateAddresses: true });
    expect(await fetchWith(inside, mixed, url.replace("127.0.0.1", "crl.example"))).toEqual(new Map());
  });

  it("a private address may be the list's if the CA's directory is in a private network too, unless forbidden", async () => {
    const resolve: Resolve = async () => ["10.1.2.3"];
    const inside = { directory: "https://ca.internal/directory" };
    expect(await fetchWith(() => ({ ...inside, privateAddresses: null }), resolve)).toEqual(new Map());
    const forbidden = fetchWith(() => ({ ...inside, privateAddresses: false }), resolve);
    await expect(forbidden).rejects.toMatchObject({ code: "acme.address" });
    await expect(fetchWith(() => null)).rejects.toMatchObject({ code: "acme.address" });
  });
});
