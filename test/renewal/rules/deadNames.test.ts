import { describe, expect, it } from "vitest";
import type { HistoryEvent } from "../../../src/domain/event.ts";
import { deadNames, namesToOrder, proposal, withoutDeadEndpoints } from "../../../src/renewal/rules/deadNames.ts";
import { firstReason } from "../../../src/renewal/rules/reasons.ts";
import { identifierOf } from "../../support/identifier.ts";
import { certificate, deployment, endpointStatus, NOW, version } from "../../support/model/facts.ts";

const event = (type: HistoryEvent["type"], detail: HistoryEvent["detail"]): HistoryEvent => {
  return { seq: 1, at: NOW, type, certificate: "www", renewalId: "r", target: null, worker: "w", detail };
};
const failed = (identifier: string, othersValid: number) => event("challenge.failed", { identifier, othersValid });
const NAMES = ["www.example.org", "dead.example.org"].map(identifierOf);

describe("a dead name", () => {
  it("is one that failed three times since the last certificate while others did not", () => {
    const twice = [failed("dead.example.org", 4), failed("dead.example.org", 4)];
    expect(deadNames(twice)).toEqual([]);
    const dead = deadNames([...twice, failed("dead.example.org", 4)]);
    expect(proposal(dead)).toBe("remove dead.example.org: its validation failed 3 times while 4 others succeeded");
    expect(deadNames([...twice, failed("dead.example.org", 0)]), "all fail: the solver is broken").toEqual([]);
    expect(deadNames([...twice, event("version.issued", {}), failed("dead.example.org", 4)])).toEqual([]);
  });

  it("is dropped only if wanted, and never the first name", () => {
    const dead = NAMES.map(({ value }) => ({ name: value, failures: 3, othersValid: 1 }));
    expect(namesToOrder({ identifiers: NAMES, dropDeadNames: false }, dead)).toEqual({ kept: NAMES, dropped: [] });
    expect(namesToOrder({ identifiers: NAMES, dropDeadNames: true }, dead)).toEqual({
      kept: NAMES.slice(0, 1),
      dropped: ["dead.example.org"],
    });
  });

  it("that was dropped has no endpoint to be dialled, unless none were left", () => {
    const endpoint = (sni: string) => ({ host: sni, port: 443, sni, target: null });
    const configured = certificate({ endpoints: [endpoint("www.example.org"), endpoint("dead.example.org")] });
    const reduced = version({ droppedNames: ["dead.example.org"] });
    const keys = (...args: Parameters<typeof withoutDeadEndpoints>) =>
      withoutDeadEndpoints(...args).endpoints.map(({ sni }) => sni);
    expect(keys(configured, reduced)).toEqual(["www.example.org"]);
    expect(keys(configured, version())).toEqual(["www.example.org", "dead.example.org"]);
    expect(keys(configured, null)).toEqual(["www.example.org", "dead.example.org"]);
    expect(keys(certificate({ endpoints: [endpoint("dead.example.org")] }), reduced)).toEqual(["dead.example.org"]);
    // Covered by another name all the same.
    const wildcard = version({
      droppedNames: ["www.example.org"],
      leaf: { ...version().leaf, identifiers: [identifierOf("*.example.org")] },
    });
    expect(keys(configured, wildcard)).toEqual(["www.example.org", "dead.example.org"]);
  });

  it("that was dropped is no reason to renew, but a name added later and an end of dropping are", () => {
    const reduced = version({ droppedNames: ["dead.example.org"] });
    const reason = (identifiers: typeof NAMES, dropDeadNames = true) =>
      firstReason(
        {
          certificate: certificate({ identifiers, dropDeadNames }),
          version: reduced,
          renewalInfo: null,
          deployments: [deployment({ deployedGeneration: 1 })],
          endpoints: [endpointStatus()],
        },
        NOW,
      );
    expect(reason(NAMES)).toBeNull();
    expect(reason([...NAMES, identifierOf("new.example.org")])).toMatchObject({
      reason: "identifiersChanged",
      detail: "names changed: +new.example.org",
    });
    expect(reason(NAMES, false)).toMatchObject({ reason: "identifiersChanged" });
  });
});
