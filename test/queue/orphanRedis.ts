// For privateRedis.test.ts: starts a private Redis and waits to be killed.
import { startPrivateRedis } from "../../src/queue/privateRedis.ts";

await startPrivateRedis({ directory: process.argv[2] ?? "" });
process.stdout.write("started\n");
setInterval(() => {}, 60_000);
