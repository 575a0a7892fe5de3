// 300 keys, every spelling, every kind of target whose peer prints or answers: the deployers' own conformance tests, on
// their in-process peers, with all cases instead of their sample.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { KEY_SPELLINGS } from "../support/pairs/keySpellings.ts";
import type { Drill } from "./drill.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const KEYS = 300;
const TESTS = "shows no piece of a key";
/** Kinds of targets whose peer neither prints nor answers: it reads files, or obeys a signal. */
const SILENT = ["envoy", "traefik", "postgresql", "mosquitto"];
/** Of src/deployers/index.ts, without the silent ones. */
const KINDS_MIN = 23;
/** 260,000 cases; some start a program, some a session of SSH. */
const DRILL_MAX_MS = 12 * 3_600_000;
const ONE_TEST_MAX_MS = DRILL_MAX_MS;

const keyEcho: Drill = {
  name: "key-echo",
  faults: "52",
  title: `targets repeat ${KEYS} keys in ${Object.keys(KEY_SPELLINGS).length} spellings: no piece in any error, event or log`,
  quick: false,
  maxMs: DRILL_MAX_MS,
  async alone() {
    const at = Date.now();
    const directory = await mkdtemp(join(tmpdir(), "renewd-key-echo-"));
    const report = join(directory, "report");
    try {
      const vitest = join(ROOT, "node_modules/vitest/vitest.mjs");
      const args = ["run", "test/deployers", "-t", TESTS, "--maxWorkers=2", `--testTimeout=${ONE_TEST_MAX_MS}`];
      const env = { ...process.env, RENEWD_TESTS: "all", RENEWD_KEYS: String(KEYS), RENEWD_KEYS_REPORT: report };
      const child = spawn(process.execPath, [vitest, ...args], {
        cwd: ROOT,
        env,
        stdio: ["ignore", "pipe", "inherit"],
      });
      let said = "";
      child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
        said = (said + chunk).slice(-4_000);
      });
      const [code] = await once(child, "exit");
      const lines = (await readFile(report, "utf8").catch(() => "")).split("\n").filter((line) => line !== "");
      const kinds = new Set(lines.map((line) => line.split(/[ (]/)[0]));
      const problems = [
        ...(code === 0 ? [] : [`a piece of a key was shown:\n${said}`]),
        ...(kinds.size >= KINDS_MIN
          ? []
          : [`only ${kinds.size} kinds of targets were tried: ${[...kinds].join(", ")}`]),
      ];
      const notes = [...lines, `neither print nor answer: ${SILENT.join(", ")}`];
      return { injections: [{ at, convergedAt: Date.now() }], notes, problems };
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  },
};

export const KEY_ECHO_DRILLS: readonly Drill[] = [keyEcho];
