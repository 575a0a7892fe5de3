import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createRoot, type IssuedPair } from "../support/ca/pki.ts";
import { type RunningTlsServer, startTlsServer } from "../support/servers/tlsServer.ts";
import { configText, createInstallation, type Installation } from "../support/system/installation.ts";

let installation: Installation;
let server: RunningTlsServer;
let rootFile: string;

beforeEach(async () => {
  installation = await createInstallation(configText(["www"]));
  const root = await createRoot({ name: "Own Root" });
  const pair: IssuedPair = await root.issue({ names: ["127.0.0.1", "www.renewd.test"] });
  rootFile = join(installation.directory, "root.pem");
  await writeFile(rootFile, root.certPem);
  server = await startTlsServer({ pairs: [pair] });
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  await installation[Symbol.asyncDispose]();
});

test("says that clients are served well, by which chain, and ends with 0", async () => {
  const { code, stdout } = await installation.run("scan", `https://127.0.0.1:${server.port}/path`, "--trust", rootFile);
  expect(stdout).toContain(`127.0.0.1:${server.port}  clients are served well (1 certificate at 1 address`);
  expect(stdout).toMatch(/issued by Own Root, which is trusted here/);
  expect(stdout).toMatch(/names +127\.0\.0\.1, www\.renewd\.test/);
  expect(code).toBe(0);
});

test("says what is wrong and how to fix it, and ends with 1", async () => {
  const { code, stdout } = await installation.run("scan", `127.0.0.1:${server.port}`, "--sni", "api.renewd.test");
  expect(stdout).toContain("(asked for api.renewd.test)  something is wrong");
  expect(stdout).toMatch(/✗ it is not for api\.renewd\.test.*\[names\]\n +fix: Bind a certificate/);
  expect(stdout).toMatch(
    /✗ the certificate of Own Root is missing.*\[chain\.incomplete\]\n +fix: Serve the whole chain/,
  );
  expect(code).toBe(1);
});

test.each([
  [["scan", "a b"], /"a b" must be a DNS name/],
  [["scan", "www.example.org:99999"], /has a port outside 1 to 65535/],
  [["scan", "www.example.org", "--starttls", "gopher"], /Allowed choices are smtp/],
  [["scan", "127.0.0.1:1", "--trust", "/nowhere.pem"], /--trust: \/nowhere\.pem cannot be read \(ENOENT\)/],
])("refuses %j with one message", async (args, message) => {
  const { code, stderr } = await installation.run(...args);
  expect(stderr).toMatch(message);
  expect(code).toBe(2);
});
