import { expect, it } from "vitest";
import { listenerAt, sharedPort } from "../../src/compose/portWatch.ts";
import { startHttp01Responder } from "../../src/web/http01.ts";

const NO_SIGNAL = new AbortController().signal;
const challenges = { get: async () => null };

it("two installations on one responder port notice each other; two processes of one do not", async () => {
  const start = (identity: string, port: number) =>
    startHttp01Responder({ host: "127.0.0.1", port, challenges, identity });
  const first = await start("ours", 0);
  const at = { host: "127.0.0.1", port: first.port };
  const sibling = await start("ours", first.port);
  expect(await sharedPort(at, "ours", NO_SIGNAL)).toBeNull();
  await sibling.close();
  const other = await start("theirs", first.port);
  for (const identity of ["ours", "theirs"])
    expect(await sharedPort(at, identity, NO_SIGNAL)).toMatchObject({
      message: expect.stringContaining(`listens on port ${first.port} as well`),
      action: expect.stringContaining(`sport = :${first.port}`),
    });
  expect(await listenerAt(at, NO_SIGNAL), "a process without the right to the port").toBe("renewd");
  await first.close();
  await other.close();
  expect(await listenerAt(at, NO_SIGNAL)).toBeNull();
  expect(await sharedPort(at, "ours", NO_SIGNAL), "nobody answers").toBeNull();
});
