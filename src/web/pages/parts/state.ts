import { html } from "hono/html";
import type { RenewalState } from "../../../domain/renewal.ts";
import type { WatchState } from "../../../domain/watched.ts";
import type { CertificateState } from "../../../reports/certificates.ts";
import type { DeploymentState } from "../../../reports/lists/deploymentList.ts";
import type { EndpointState } from "../../../reports/lists/endpointList.ts";
import type { Html } from "./markup.ts";

/** `good` is only what a handshake proved and proves still. */
export type Tone = "good" | "bad" | "warn" | "busy" | "quiet";

interface Look {
  readonly word: string;
  readonly icon: string;
  readonly tone: Tone;
}

export const CERTIFICATE_LOOK: Readonly<Record<CertificateState, Look>> = {
  expired: { word: "expired", icon: "✗", tone: "bad" },
  unreadable: { word: "unreadable", icon: "✗", tone: "bad" },
  observed: { word: "observed only", icon: "◎", tone: "quiet" },
  notIssued: { word: "not issued", icon: "○", tone: "warn" },
  quarantined: { word: "quarantined", icon: "✗", tone: "bad" },
  failing: { word: "failing", icon: "✗", tone: "bad" },
  renewing: { word: "renewing", icon: "↻", tone: "busy" },
  paused: { word: "paused", icon: "‖", tone: "warn" },
  notDeployed: { word: "not deployed", icon: "!", tone: "warn" },
  notServed: { word: "not served", icon: "✗", tone: "bad" },
  notProved: { word: "not proved", icon: "?", tone: "quiet" },
  unknown: { word: "proof too old", icon: "?", tone: "warn" },
  provedLive: { word: "proved live", icon: "✓", tone: "good" },
};

export const RENEWAL_LOOK: Readonly<Record<RenewalState, Look>> = {
  planned: { word: "planned", icon: "○", tone: "busy" },
  issuing: { word: "issuing", icon: "↻", tone: "busy" },
  deploying: { word: "deploying", icon: "↻", tone: "busy" },
  verifying: { word: "verifying", icon: "↻", tone: "busy" },
  succeeded: { word: "succeeded", icon: "✓", tone: "good" },
  held: { word: "held", icon: "‖", tone: "bad" },
  rolledBack: { word: "rolled back", icon: "↩", tone: "warn" },
  failed: { word: "failed", icon: "✗", tone: "bad" },
  cancelled: { word: "cancelled", icon: "–", tone: "quiet" },
};

export const ENDPOINT_LOOK: Readonly<Record<EndpointState, Look>> = {
  notServed: { word: "not served", icon: "✗", tone: "bad" },
  unknown: { word: "proof too old", icon: "?", tone: "warn" },
  unseen: { word: "not dialled yet", icon: "○", tone: "quiet" },
  proving: { word: "being proved", icon: "↻", tone: "busy" },
  proved: { word: "proved", icon: "✓", tone: "good" },
};

/** Green only what a look has just found well. */
export const WATCH_LOOK: Readonly<Record<WatchState, Look>> = {
  notValid: { word: "not valid", icon: "✗", tone: "bad" },
  wrongCertificate: { word: "wrong certificate", icon: "✗", tone: "bad" },
  badChain: { word: "bad chain", icon: "✗", tone: "bad" },
  stale: { word: "stale", icon: "!", tone: "bad" },
  unreachable: { word: "unreachable", icon: "✗", tone: "bad" },
  ending: { word: "ends soon", icon: "!", tone: "warn" },
  unverifiable: { word: "not verifiable", icon: "?", tone: "warn" },
  unseen: { word: "not looked at", icon: "○", tone: "quiet" },
  good: { word: "good", icon: "✓", tone: "good" },
};

/** Green belongs to handshakes: a target that accepted a pair is current, not proved. */
export const DEPLOYMENT_LOOK: Readonly<Record<DeploymentState, Look>> = {
  failing: { word: "failing", icon: "✗", tone: "bad" },
  drifted: { word: "drifted", icon: "!", tone: "bad" },
  behind: { word: "behind", icon: "!", tone: "warn" },
  none: { word: "nothing issued", icon: "○", tone: "quiet" },
  current: { word: "current", icon: "•", tone: "quiet" },
};

export function pill({ word, icon, tone }: Look): Html {
  return html`<span class="pill ${tone}"><span aria-hidden="true">${icon}</span> ${word}</span>`;
}

export function tag(word: string, tone: Tone = "quiet"): Html {
  return html`<span class="pill ${tone}">${word}</span>`;
}
