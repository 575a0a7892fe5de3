import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { StoreOptions } from "../../src/store/index.ts";

export interface StoreProcess extends AsyncDisposable {
  /** The next line it says. Its first is `open <key id>` or `refused <code> <message>`. */
  next(): Promise<string>;
  say(command: string): void;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
}

/** `storeProcess.child.ts` in a process of its own. */
export function startStoreProcess(options: StoreOptions, masterKeyFile: string): StoreProcess {
  const where =
    options.kind === "sqlite"
      ? { kind: options.kind, file: options.file }
      : { kind: options.kind, url: options.url.reveal() };
  const program = fileURLToPath(new URL("./storeProcess.child.ts", import.meta.url));
  const child = spawn(process.execPath, [program, JSON.stringify({ ...where, masterKeyFile })], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  // A command to a process that has just ended is lost, which the next `next()` reports.
  child.stdin.on("error", () => {});
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const kill = async (): Promise<void> => {
    child.kill("SIGKILL");
    await exited;
  };
  return {
    async next() {
      const { value, done } = await lines.next();
      if (done) throw new Error("the store process ended without an answer");
      return value;
    },
    say: (command) => void child.stdin.write(`${command}\n`),
    kill,
    [Symbol.asyncDispose]: kill,
  };
}
