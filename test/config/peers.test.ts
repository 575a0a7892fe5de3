// A renewd that is its own peer would watch nobody, and look watched.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { loadConfig } from "../../src/config/load.ts";

const WEB = { port: 8443, url: "https://renewd.example.org" };

async function problemsOf(url: string): Promise<string[]> {
  const directory = await mkdtemp(join(tmpdir(), "renewd-peers-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  const file = join(directory, "renewd.yaml");
  await writeFile(file, JSON.stringify({ version: 1, web: WEB, peers: { other: { url } } })); // JSON is YAML.
  const result = await loadConfig(file);
  return result.ok ? [] : result.problems.map(({ message }) => message);
}

test.each([
  "https://renewd.example.org",
  "https://RENEWD.example.org:443/",
  "http://localhost:8443",
  "http://127.0.0.1:8443",
])("a peer at %s, which is this renewd itself, is refused", async (url) => {
  expect(await problemsOf(url)).toEqual([expect.stringMatching(/^peers\.other\.url: is this renewd itself/)]);
});

test.each([
  "https://other.example.org",
  "http://127.0.0.1:8444",
  "https://renewd.example.org:8443",
  "https://other.example.org:8443",
])("one at %s is another", async (url) => {
  expect(await problemsOf(url)).toEqual([]);
});
