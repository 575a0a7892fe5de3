// The real program apprise, as Debian packages it, at a service of its own that posts JSON.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { Notification } from "../../src/domain/notification.ts";
import { apprise } from "../../src/notify/apprise.ts";
import { startReceiver } from "../support/system/receiver.ts";
import { RESPONSIBILITY } from "./responsibility.ts";

const PAGE: Notification = {
  ...{ id: "42-1767312000000", at: Date.UTC(2026, 0, 2), severity: "page", event: "alert.opened" },
  ...{ certificate: "www", renewalId: null, target: null, alert: "alert/0badcafe", resolves: false },
  ...{ message: '--body=no "www" $(id) é @everyone: renewal failed', action: "Fix it." },
  responsibility: RESPONSIBILITY,
};

it("apprise passes messages on to the services with the tag, and is believed when it says that one failed", {
  timeout: 60_000,
}, async () => {
  await using receiver = await startReceiver();
  await using stack = new AsyncDisposableStack();
  const home = await mkdtemp(join(tmpdir(), "renewd-apprise-"));
  stack.defer(() => rm(home, { recursive: true, force: true }));
  const configFile = join(home, "apprise.conf");
  await writeFile(configFile, `ops=${receiver.url.replace("http:", "json:")}/t0ken\nlead=json://127.0.0.1:1/\n`);
  const send = (options: object, notification: Notification): Promise<void> => {
    const dependencies = { channel: "ops", secret: () => Promise.reject(new TypeError("no secret")) };
    return apprise.create(apprise.options.parse(options), dependencies)(notification, new AbortController().signal);
  };
  await send({ configFile, tag: "ops" }, PAGE).catch((error: unknown) => {
    if (String(error).includes("command not found"))
      throw new Error("apprise is not installed: run scripts/bootstrap.sh test", { cause: error });
    throw error;
  });
  expect(receiver.received.map(({ path, body }) => [path, body])).toEqual([
    [
      "/t0ken",
      expect.objectContaining({
        title: '[page] --body=no "www" $(id) é ＠everyone: renewal failed',
        message: '[page] --body=no "www" $(id) é ＠everyone: renewal failed\nWhat to do: Fix it.',
        type: "failure",
      }),
    ],
  ]);
  const failed = await send({ configFile, tag: "lead" }, PAGE).catch((error: unknown) => error);
  expect(failed).toMatchObject({ code: "notify.failed", message: expect.stringContaining("exit code 1") });
  await expect(send({ configFile, tag: "nobody" }, PAGE)).rejects.toThrow("found no service with the tag nobody");
});
