#!/usr/bin/env node
import { cacheCompiledCode } from "../compose/compileCache.ts";
import { refuseOldNode } from "../compose/nodeVersion.ts";
import { holdReloads } from "../compose/reloads.ts";
import { raiseThreads } from "../config/read/environment.ts";

refuseOldNode();
raiseThreads();
const reloads = holdReloads();
cacheCompiledCode();
// Loaded only now: until then SIGHUP would end a `renewd run`.
const { runCommandLine } = await import("./program.ts");

// `renewd history | head` closes the pipe early: that is no failure.
process.stdout.on("error", (error) => {
  if ("code" in error && error.code === "EPIPE") process.exit(0);
  throw error;
});

const exitCode = await runCommandLine(process.argv.slice(2), {
  stdout: process.stdout,
  stderr: process.stderr,
  reloads,
});
// Output may still be on its way into a pipe. Nothing else that is open may keep a finished command alive.
process.stdout.write("", () => process.exit(exitCode));
