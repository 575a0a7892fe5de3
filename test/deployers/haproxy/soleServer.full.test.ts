import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, it } from "vitest";

const CHILD = join(import.meta.dirname, "soleServer.child.ts");

it("waits for nothing where HAProxy alone answers, and as anywhere else with others before or beside it", async () => {
  const program = ["--pid", "--fork", "--kill-child", "--mount-proc", process.execPath, CHILD];
  const { stdout } = await promisify(execFile)("unshare", program, { timeout: 110_000 });
  const told = JSON.parse(stdout);
  const { pid, next } = told;
  expect(pid).toEqual(expect.any(Number));
  expect(next).not.toBe(pid);
  expect(told).toMatchObject({
    alone: { proved: true, good: 40, server: pid, attested: 40 },
    soonAfter: { proved: true, good: 3, server: pid, attested: 43 },
    another: null,
    balanced: { proved: true, server: null },
    ...{ besideSibling: false, afterSibling: true },
    ...{ besideDraining: false, afterDraining: true },
    inCaddy: { proved: true, good: 40, server: expect.any(Number) },
    elsewhere: false,
    // Not once of six times: three handshakes would miss the one in eight more often than not.
    passedOn: Array(6).fill({ proved: false, server: null }),
    unprivileged: { server: null, isSole: false },
  });
  // At least the spread of the terms, which is what a balancer makes necessary.
  expect(told.balanced.tookMs).toBeGreaterThanOrEqual(1_000);
}, 120_000);
