import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ChallengeResponse } from "../../src/domain/issuer.ts";
import { webroot } from "../../src/solvers/webroot.ts";
import { describeSolver } from "../conformance/solver.ts";
import { memoryChallenges } from "../support/model/orderMemory.ts";

const dependencies = { challenges: memoryChallenges(), now: Date.now };
const challenge: ChallengeResponse = {
  identifier: { type: "dns", value: "a.example" },
  token: "tokenTOKEN_-09",
  keyAuthorization: "tokenTOKEN_-09.thumb",
};
const pathOf = (directory: string, { token }: ChallengeResponse): string =>
  join(directory, ".well-known", "acme-challenge", token);
const signal = (): AbortSignal => new AbortController().signal;

describeSolver("webroot", async () => {
  const directory = await mkdtemp(join(tmpdir(), "renewd-webroot-"));
  return {
    solver: webroot.create({ directory }, dependencies),
    published: (one) => readFile(pathOf(directory, one), "utf8").catch(() => null),
    expected: ({ keyAuthorization }) => keyAuthorization,
    async occupy(one, value) {
      await mkdir(join(directory, ".well-known", "acme-challenge"), { recursive: true });
      await writeFile(pathOf(directory, one), value);
    },
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true }),
  };
});

describe("solver webroot", () => {
  let directory: string;
  let outside: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "renewd-webroot-"));
    outside = await mkdtemp(join(tmpdir(), "renewd-outside-"));
  });
  afterEach(() => Promise.all([directory, outside].map((path) => rm(path, { recursive: true, force: true }))));

  it("writes a file that every web server may read, and no other file", async () => {
    await webroot.create({ directory }, dependencies).present(challenge, signal());
    expect((await stat(pathOf(directory, challenge))).mode & 0o777).toBe(0o644);
    expect(await readdir(join(directory, ".well-known", "acme-challenge"))).toEqual([challenge.token]);
  });

  it.each([
    [
      "the token's file",
      async () => {
        await mkdir(join(directory, ".well-known", "acme-challenge"), { recursive: true });
        await writeFile(join(outside, "victim"), "precious");
        await symlink(join(outside, "victim"), pathOf(directory, challenge));
      },
    ],
    [
      "acme-challenge",
      async () => {
        await mkdir(join(directory, ".well-known"));
        await symlink(outside, join(directory, ".well-known", "acme-challenge"));
      },
    ],
    [
      ".well-known",
      async () => {
        await mkdir(join(outside, "acme-challenge"));
        await symlink(outside, join(directory, ".well-known"));
      },
    ],
  ])("writes and deletes nothing outside when %s is a symlink", async (_what, plant) => {
    await plant();
    const before = await listing(outside);
    const solver = webroot.create({ directory }, dependencies);
    await solver
      .present(challenge, signal())
      .catch((error: unknown) => expect(error).toMatchObject({ code: "solver.failed" }));
    await solver.cleanUp(challenge, signal());
    expect(await listing(outside)).toEqual(before);
  });

  it("says which directory it cannot write to", async () => {
    const missing = join(directory, "missing");
    const attempt = webroot.create({ directory: missing }, dependencies).present(challenge, signal());
    await expect(attempt).rejects.toMatchObject({
      code: "solver.failed",
      message: `Cannot write http-01 answers below the webroot ${missing}: it does not exist.`,
    });
  });

  it("accepts only an absolute directory", () => {
    expect(webroot.options.safeParse({ directory: "relative/path" }).success).toBe(false);
    expect(webroot.options.safeParse({ directory: "/srv/www", extra: 1 }).success).toBe(false);
    expect(webroot.options.safeParse({ directory: "/srv/www" }).success).toBe(true);
  });
});

async function listing(directory: string): Promise<string[]> {
  const names = await readdir(directory, { recursive: true });
  return Promise.all(
    names
      .sort()
      .map(async (name) => `${name}: ${await readFile(join(directory, name), "utf8").catch(() => "directory")}`),
  );
}
