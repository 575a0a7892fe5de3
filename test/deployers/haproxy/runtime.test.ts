import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { haproxyCommand } from "../../../src/deployers/haproxy/runtime.ts";

const NEVER = new AbortController().signal;
/** What HAProxy 2.6 says to a command that meets its lock, which lasts for microseconds there. */
const LOCKED = "Can't update the certificate!\nOperations on certificates are currently locked!\n";

/** Says that it is locked, so many times. */
async function startLocked(times: number, answer = LOCKED) {
  const directory = await mkdtemp(join(tmpdir(), "renewd-locked-"));
  const socket = join(directory, "admin.sock");
  let asked = 0;
  const server = createServer((client) => {
    // A command that has reached its time limit is gone before the answer.
    client.on("error", () => undefined);
    client.once("data", () => client.end(asked++ < times ? answer : "Success!\n"));
  }).listen(socket);
  await once(server, "listening");
  return {
    socket,
    asked: () => asked,
    async [Symbol.asyncDispose]() {
      await new Promise((resolve) => server.close(resolve));
      await rm(directory, { recursive: true });
    },
  };
}

test("a command that meets HAProxy's lock on certificates waits for its turn", async () => {
  await using haproxy = await startLocked(3);
  const { socket } = haproxy;
  expect(await haproxyCommand({ socket, timeoutMs: 10_000 }, "commit ssl cert a\n", NEVER)).toBe("Success!\n");
  expect(haproxy.asked()).toBe(4);
});

test("a commit that succeeded is not sent again, although the lock kept out what came after it", async () => {
  const answer = `Committing a.\nSuccess!\n\n${LOCKED}`;
  await using haproxy = await startLocked(Number.POSITIVE_INFINITY, answer);
  const { socket } = haproxy;
  const commands = "commit ssl cert a;show ssl cert a\n";
  expect(await haproxyCommand({ socket, timeoutMs: 10_000 }, commands, NEVER)).toBe(answer);
  expect(haproxy.asked()).toBe(1);
});

test("a lock that stays is reported at the time limit", async () => {
  await using haproxy = await startLocked(Number.POSITIVE_INFINITY);
  const { socket } = haproxy;
  await expect(haproxyCommand({ socket, timeoutMs: 100 }, "show ssl cert\n", NEVER)).rejects.toMatchObject({
    code: "deploy.timeout",
  });
});
