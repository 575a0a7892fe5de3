import { describe, expect, it } from "vitest";
import { unlimited } from "../../../src/domain/budget.ts";
import { RenewalError } from "../../../src/domain/errors.ts";
import type { ErrorCode } from "../../../src/domain/errorTable.ts";
import { decide } from "../../../src/renewal/rules/decide.ts";
import { whySwitch } from "../../../src/renewal/rules/issuerChoice.ts";
import { certificate, deployment, endpointStatus, NOW, record, version } from "../../support/model/facts.ts";

describe("turning to another CA", () => {
  it.each<[ErrorCode, number, number | null, boolean]>([
    ["acme.connection", 1, null, false],
    ["acme.connection", 2, null, true],
    ["acme.server", 2, null, true],
    ["acme.untrusted", 1, null, false],
    ["acme.untrusted", 2, null, true],
    ["acme.directory", 1, null, false],
    ["acme.directory", 2, null, true],
    ["acme.caa", 1, null, true],
    ["acme.rejectedIdentifier", 1, null, true],
    ["acme.rateLimited", 0, NOW + 3_600_000, false],
    ["acme.rateLimited", 0, NOW + 3_600_001, true],
    ["acme.rateLimited", 1, null, false],
    ["acme.rateLimited", 2, null, true],
    ["acme.server", 1, NOW + 3_600_000, false],
    ["acme.server", 1, NOW + 3_600_001, true],
    ["acme.timeout", 1, NOW + 7_200_000, false],
    ["acme.budget", 0, NOW + 86_400_000, true],
    ["acme.unauthorized", 5, null, false],
    // The same request would go to every CA.
    ["acme.ownCsr", 1, null, false],
    ["acme.dns", 5, null, false],
    ["solver.failed", 5, null, false],
    ["internal.bug", 5, null, false],
  ])("%s after %i attempts, wait until %s: %s", (code, attempts, retryAt, turns) => {
    const error = new RenewalError(code, "", retryAt === null ? {} : { retryAt });
    expect(whySwitch(error, { attempts, waitedMs: 0 }, NOW) !== null).toBe(turns);
  });

  it.each<[ErrorCode, number, boolean]>([
    ["acme.rateLimited", 3_000_000, false],
    ["acme.rateLimited", 3_000_001, true],
    ["acme.budget", 36_000_000, false],
  ])("%s with ten minutes to wait after %i ms of waiting: %s", (code, waitedMs, turns) => {
    const error = new RenewalError(code, "", { retryAt: NOW + 600_000 });
    expect(whySwitch(error, { attempts: 0, waitedMs }, NOW) !== null).toBe(turns);
  });

  it("does not turn back before the next regular renewal, but away from an issuer that is no longer named", () => {
    const facts = (issuer: string) => ({
      certificate: certificate({ issuer: "first", fallbacks: ["second"] }),
      record: record(),
      version: version({ issuer }),
      active: null,
      renewalInfo: null,
      deployments: [deployment({ deployedGeneration: 1 })],
      endpoints: [endpointStatus()],
      replacement: null,
      budget: { ca: unlimited("first"), buckets: new Map() },
    });
    expect(decide(facts("second"), NOW)).toMatchObject({ due: false, blockedBy: null });
    expect(decide(facts("quarantined"), NOW)).toMatchObject({ due: true, reason: "issuerChanged" });
  });
});
