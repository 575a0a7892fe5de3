import type { ActionName } from "./actions/names.ts";
import { type ActionText, type PlanLine, perCertificate, refusal } from "./actionText.ts";
import { plural } from "./parts/markup.ts";

type CheckName = Extract<ActionName, "rehearse" | "dial" | "check" | "check-target" | "test-channel" | "audit">;

const NO_CHANNEL = "No channel is configured: add one in `notifications` of renewd.yaml, as docs/alerts.md shows.";

/** What tries something and changes nothing. */
export const CHECK_TEXTS: Readonly<Record<CheckName, ActionText>> = {
  rehearse: {
    title: "Rehearse",
    verb: "Rehearse",
    needsReason: false,
    plan: perCertificate(
      "tries everything a renewal does but touch production; takes up to a minute",
      ({ member: { certificate } }) => {
        const { issuer, targets, endpoints } = certificate;
        return (
          `an order at the staging directory of ${issuer}, preflight of ${targets.join(", ") || "no target"}, ` +
          `a handshake with ${endpoints.length} ${plural(endpoints.length, "endpoint")}`
        );
      },
    ),
  },
  dial: {
    title: "Dial now",
    verb: "Dial",
    needsReason: false,
    plan: perCertificate(
      "shakes hands with every address once and shows what answers; proves nothing",
      ({ member: { certificate } }) =>
        certificate.endpoints.length === 0
          ? refusal("it has no endpoint")
          : certificate.endpoints.map(({ host, port }) => `${host}:${port}`).join(", "),
    ),
  },
  check: {
    title: "Check names",
    verb: "Check",
    needsReason: false,
    plan: perCertificate(
      "checks what a CA would check, without an order and without writing anything",
      ({ member: { certificate } }) =>
        `${certificate.identifiers.length} ${plural(certificate.identifiers.length, "name")}: ` +
        "zones, delegation, name servers, DNSSEC and CAA records",
    ),
  },
  "check-target": {
    title: "Check a target",
    verb: "Check",
    needsReason: false,
    plan: ({ snapshot, web }, { targets }) => ({
      sentence: "This tries whether the target can be deployed to, without touching it; takes up to half a minute.",
      lines: targets.map((subject): PlanLine => {
        const certificates = snapshot.deployments.filter(({ target }) => target === subject).length;
        const outcome = `preflight for ${certificates} ${plural(certificates, "certificate")}`;
        const { services } = web.renewal;
        if (services.responsibility(subject) === null) return { subject, outcome: "", refused: "is no target" };
        const refused = services.hasAgent(subject) ? "only its own agent can check it, by `renewd rehearse`" : null;
        return { subject, outcome, refused };
      }),
      problem: targets.length === 0 ? "Choose a target first." : null,
      isFinal: targets.length === 0,
    }),
  },
  "test-channel": {
    title: "Test a channel",
    verb: "Send a test message",
    needsReason: false,
    plan({ web }, { channels }) {
      const all = web.config().notifications;
      const wanted = channels.length === 0 ? [...all.keys()] : channels;
      return {
        sentence: "This sends a message that says it is a test, so that a broken channel is found before it is needed.",
        lines: wanted.map((subject): PlanLine => {
          const channel = all.get(subject);
          const refused = channel === undefined ? "is no channel of the configuration" : null;
          return { subject, outcome: `a test message by ${channel?.type ?? "nothing"}`, refused };
        }),
        problem: wanted.length === 0 ? NO_CHANNEL : null,
        isFinal: wanted.length === 0,
      };
    },
  },
  audit: {
    title: "Audit the history",
    verb: "Audit",
    needsReason: false,
    plan: () => ({
      sentence:
        "This checks every event, and every row that workers obey, against its seal, while work goes on; " +
        "takes up to some minutes.",
      lines: [],
      problem: null,
    }),
  },
};
