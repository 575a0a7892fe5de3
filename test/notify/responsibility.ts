import type { Responsibility } from "../../src/domain/responsibility.ts";

/** Who answers for the certificate that the channels are tested with. */
export const RESPONSIBILITY: Responsibility = {
  owner: "alice",
  team: "web",
  labels: { app: "shop" },
  criticality: "high",
  runbook: "https://wiki.example.org/tls",
};
