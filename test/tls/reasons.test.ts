import { expect, test } from "vitest";
import { codeOf } from "../../src/tls/reasons.ts";

test.each([
  ["ENETUNREACH", "verify.undialable"],
  ["EADDRNOTAVAIL", "verify.undialable"],
  ["EACCES", "verify.undialable"],
  ["EPERM", "verify.undialable"],
  ["EINVAL", "verify.undialable"],
  ["ECONNRESET", "verify.dropped"],
  ["ECONNREFUSED", "verify.unreachable"],
  ["EHOSTUNREACH", "verify.unreachable"],
])("a connection that fails with %s is %s", (system, code) => {
  expect(codeOf(Object.assign(new Error("connect"), { code: system }))).toBe(code);
});
