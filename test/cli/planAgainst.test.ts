import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createConnection, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { configText, runCaptured } from "../support/system/installation.ts";

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "renewd-against-"));
});
afterAll(() => rm(directory, { recursive: true }));

const base = (): ReturnType<typeof JSON.parse> => JSON.parse(configText(["www", "api", "mail"]));

/** The new file, beside which relative paths are; the old one is elsewhere, as `git show` would put it. */
async function against(change: (config: ReturnType<typeof base>) => void, ...args: string[]) {
  const [before, after] = [join(await mkdtemp(join(directory, "old-")), "renewd.yaml"), join(directory, "renewd.yaml")];
  const config = base();
  await writeFile(before, JSON.stringify(config));
  change(config);
  await writeFile(after, JSON.stringify(config));
  return runCaptured(["-c", after, "plan", "--against", before, ...args]);
}

describe("plan --against says what a change does:", () => {
  test.each<[string, (config: ReturnType<typeof base>) => void, object]>([
    ["nothing", () => {}, { certificates: [], unchanged: 3, orders: [], sections: [] }],
    [
      "a certificate that is new is ordered, and how much the CA allows",
      (config) =>
        Object.assign(config.certificates, { shop: { names: ["shop.example.org"], endpoints: ["192.0.2.1:443"] } }),
      {
        certificates: [{ certificate: "shop", change: "added", orders: true, deploysTo: ["lb"] }],
        orders: [{ issuer: "ca", count: 1 }],
        unchanged: 3,
      },
    ],
    [
      "one that leaves stays where it is, and nothing renews it",
      (config) => delete config.certificates.mail,
      { certificates: [{ certificate: "mail", change: "removed", orders: false, leaves: ["lb"] }], unchanged: 2 },
    ],
    [
      "another name of it orders it again",
      (config) => config.certificates.www.names.push("www2.example.org"),
      { certificates: [{ certificate: "www", change: "changed", orders: true, deploysTo: ["lb"] }] },
    ],
    [
      "another target deploys the pair that exists, to that target alone",
      (config) => Object.assign(config.certificates.www, { targets: ["lb", "edge"] }),
      { certificates: [{ certificate: "www", orders: false, deploysTo: ["edge"], leaves: [] }], orders: [] },
    ],
    [
      "another definition of a target deploys to it again",
      (config) => Object.assign(config.targets.lb, { bundle: "{certificate}.crt" }),
      {
        certificates: ["api", "mail", "www"].map((certificate) => ({ certificate, orders: false, deploysTo: ["lb"] })),
        sections: ["targets"],
      },
    ],
    [
      "another name for it keeps its pair",
      (config) => {
        config.certificates.site = config.certificates.www;
        delete config.certificates.www;
      },
      {
        certificates: [{ certificate: "site", change: "renamed", renamedFrom: "www", orders: false, differences: [] }],
        unchanged: 2,
      },
    ],
    [
      "what holds only for later renewals does nothing at once",
      (config) => Object.assign(config.certificates.www, { keyType: "ecdsa-p256", profile: "shortlived" }),
      {
        certificates: [
          { certificate: "www", orders: false, deploysTo: [], differences: [expect.stringContaining("profile")] },
        ],
      },
    ],
    [
      "only what was not ordered before is ordered once it is no longer only observed",
      (config) => Object.assign(config.certificates.www, { mode: "observe" }),
      { certificates: [{ certificate: "www", orders: false, differences: ["mode: renew → observe"] }] },
    ],
  ])("%s", async (_, change, expected) => {
    const { stdout, code, stderr } = await against(change, "--json");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(JSON.parse(stdout)).toMatchObject({ version: 1, ...expected });
  });

  test("in text, and of one certificate alone", async () => {
    const { stdout } = await against((config) => config.certificates.www.names.push("new.example.org"), "www");
    expect(stdout).toContain("~ www: a new certificate is ordered at once; deployed to lb");
    expect(stdout).toContain("names: www.example.org → new.example.org, www.example.org");
  });

  test("as a table for a pull request, in which names are no markup", async () => {
    const { stdout, stderr } = await against((config) => {
      config.certificates.www.targets = ["edge"];
      config.certificates.shop = {
        names: ["*.example.org"],
        endpoints: [{ host: "192.0.2.1", port: 443, sni: "a.example.org" }],
        solver: "dns",
      };
      config.solvers.dns = { type: "exec", command: ["/bin/true"] };
    }, "--markdown");
    expect(stderr).toBe("");
    expect(stdout).toContain("### What this change does to certificates");
    expect(stdout).toMatch(/^\| `www` \| changed \|/m);
    expect(stdout).not.toContain("*.example.org");
    expect(stdout).toContain("&#42;.example.org");
  });

  test("a mistake in either file names it and its place, with exit code 2", async () => {
    const { code, stderr } = await against((config) => {
      config.isuers = {};
    });
    expect(code).toBe(2);
    expect(stderr).toMatch(/renewd\.yaml:\d+:\d+: .*isuers/);
    expect((await runCaptured(["plan", "--markdown"])).stderr).toContain("--markdown: is for --against");
  });

  test("without secret, network or database: none of them is touched", async () => {
    const connect = vi.spyOn(Socket.prototype, "connect");
    const change = (config: ReturnType<typeof base>): void => {
      config.redis = { url: "redis://127.0.0.1:1", password: "env:RENEWD_TEST_UNSET" };
      config.store = { type: "postgresql", url: "env:RENEWD_TEST_UNSET_TOO" };
      config.notifications = { ops: { type: "webhook", url: "file:/nonexistent/secret" } };
    };
    const { code, stdout } = await against(change, "--json");
    expect(code).toBe(0);
    expect(JSON.parse(stdout).sections).toEqual(["notifications", "redis", "store"]);
    expect(connect).not.toHaveBeenCalled();
    createConnection({ port: 1, host: "127.0.0.1" }).on("error", () => {});
    expect(connect).toHaveBeenCalledOnce();
    connect.mockRestore();
  });
});
