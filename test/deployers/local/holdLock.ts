// Takes the lock of the directory that its argument names, says so, and keeps it until its stdin ends.
import { openDirectory } from "../../../src/deployers/local/directory.ts";
import { lockDirectory } from "../../../src/deployers/local/directoryLock.ts";

const path = process.argv[2] ?? "";
await using directory = await openDirectory(path, path);
process.stdout.write("waiting\n");
using _lock = await lockDirectory(directory, new AbortController().signal);
process.stdout.write("held\n");
for await (const _chunk of process.stdin);
