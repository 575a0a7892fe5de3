import { expect, it } from "vitest";
import { reportRequest } from "../../src/compose/jobWorker.ts";
import { RenewalError } from "../../src/domain/errors.ts";

it("a refused request is no failed job: its sender was answered, and nothing tries it again", () => {
  const lines: unknown[] = [];
  const write =
    (level: string) =>
    (fields: object, message: string): void =>
      void lines.push([level, fields, message]);
  const log = { debug: write("debug"), info: write("info"), warn: write("warn"), error: write("error") };
  reportRequest({ log })(new RenewalError("request.invalid", 'certificate: "www" is not due'), "job-1");
  expect(lines).toEqual([["info", { jobId: "job-1", reason: 'certificate: "www" is not due' }, "request refused"]]);
  reportRequest({ log })(new RenewalError("store.unavailable", "gone"), "job-2");
  expect(lines[1]).toMatchObject(["error", { jobId: "job-2" }, expect.not.stringContaining("sweep")]);
});
