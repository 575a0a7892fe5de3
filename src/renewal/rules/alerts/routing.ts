import type { Alert } from "../../../domain/alert.ts";
import type { AlertRoute } from "../../../domain/alertSettings.ts";
import type { Certificate } from "../../../domain/certificate.ts";
import { type Channel, SEVERITIES, type Severity } from "../../../domain/notification.ts";
import { isSent } from "../routing.ts";

/** What routes ask of a certificate. */
export type RoutedCertificate = Pick<Certificate, "name" | "issuer" | "targets" | "responsibility">;

export interface Routing {
  readonly routes: readonly AlertRoute[];
  readonly channels: ReadonlyMap<string, Pick<Channel, "from" | "about">>;
  /** null: it is not configured any more. */
  readonly certificate: (name: string) => RoutedCertificate | null;
}

/**
 * The channels for a message about the alert, in the order of the configuration: those of the routes that fit, and
 * without one those that are about who answers for its certificates.
 */
export function channelsFor(
  alert: Pick<Alert, "rule" | "place" | "members" | "severity">,
  { routes, channels, certificate }: Routing,
): string[] {
  const members = alert.members.flatMap(({ certificate: name }) => certificate(name) ?? []);
  const fitting = routes.filter((route) => fits(route, alert, members));
  const wanted = new Set(fitting.flatMap((route) => route.channels));
  // A channel that fails cannot say so itself.
  const failing = alert.rule === "channel" ? alert.place.subject : null;
  const about = members.length === 0 ? [null] : members.map(({ responsibility }) => responsibility);
  const all = [...channels.values()];
  const isAbout = (channel: Pick<Channel, "about">): boolean => about.some((each) => isSent(channel, all, each));
  return [...channels]
    .filter(([, channel]) => isFrom(alert.severity, channel.from))
    .filter(([name, channel]) => (wanted.size === 0 ? isAbout(channel) : wanted.has(name)))
    .map(([name]) => name)
    .filter((name) => name !== failing);
}

export function rank(severity: Severity): number {
  return SEVERITIES.indexOf(severity);
}

export function isFrom(severity: Severity, from: Severity): boolean {
  return rank(severity) >= rank(from);
}

function fits(
  { severity, certificates, issuers, targets, teams, labels }: AlertRoute,
  alert: Pick<Alert, "place" | "severity">,
  members: readonly RoutedCertificate[],
): boolean {
  if (severity !== null && !isFrom(alert.severity, severity)) return false;
  const wantsCertificate = certificates.length + issuers.length + targets.length + teams.length > 0;
  if (!wantsCertificate && Object.keys(labels).length === 0) return true;
  return members.some(
    (member) =>
      (certificates.length === 0 || certificates.some((pattern) => isLike(member.name, pattern))) &&
      (issuers.length === 0 || issuers.includes(alert.place.issuer ?? member.issuer)) &&
      (targets.length === 0 ||
        targets.some((name) => (alert.place.target ?? name) === name && member.targets.includes(name))) &&
      (teams.length === 0 || teams.includes(member.responsibility.team ?? "")) &&
      Object.entries(labels).every(([key, value]) => member.responsibility.labels[key] === value),
  );
}

/** `*` stands for any characters. */
function isLike(text: string, pattern: string): boolean {
  const parts = pattern.split("*").map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join(".*")}$`).test(text);
}
