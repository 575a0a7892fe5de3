import type { Command } from "commander";
import { openReader, signInLink } from "../../compose/index.ts";
import { type Cli, perform } from "../command.ts";
import { requestedBy } from "../requestedBy.ts";

/** `renewd open --json`. */
export interface OpenReport {
  readonly version: 1;
  /** Signs one browser in, once, within five minutes. */
  readonly url: string;
}

export function addOpen(program: Command, cli: Cli): void {
  const command = program
    .command("open")
    .description(
      "Sign a browser in to renewd's pages: prints a link that works once, within five minutes. With `--browser` it " +
        "is opened here.",
    )
    .option("--browser", "open it in this machine's browser (xdg-open, or open on macOS)");
  perform<{ readonly browser?: boolean }>(command, cli, async ({ options, output, configFile }) => {
    await using reader = await openReader(configFile);
    const report: OpenReport = { version: 1, url: await signInLink(reader, requestedBy() ?? "unknown") };
    output.report(report, () => report.url);
    if (options.browser === true && !(await opensInBrowser(report.url)))
      output.note("no browser could be started here: open the link by hand");
    return "ok";
  });
}

async function opensInBrowser(url: string): Promise<boolean> {
  const { spawn } = await import("node:child_process");
  const program = process.platform === "darwin" ? "open" : "xdg-open";
  return new Promise((resolve) => {
    const child = spawn(program, [url], { stdio: "ignore", detached: true });
    child.once("error", () => resolve(false));
    child.once("spawn", () => {
      child.unref();
      resolve(true);
    });
  });
}
