import { writeSync } from "node:fs";
import { registerHooks } from "node:module";

// Preloaded into a renewd process (`node --import`): at its end it writes the URL of each module it loaded, to stderr.
const urls: string[] = [];
registerHooks({
  load(url, context, next) {
    urls.push(url);
    return next(url, context);
  },
});
process.on("exit", () => {
  writeSync(2, `${JSON.stringify({ urls })}\n`);
});
