import type { ErrorFacts } from "./facts.ts";

/** What handshakes showed. */
export const VERIFY_ERRORS = {
  "verify.stale": {
    class: "target",
    retry: "never",
    action: "Reload or repair the server at the named address: it does not serve the new certificate.",
  },
  "verify.mixed": {
    class: "target",
    retry: "never",
    action:
      "Find which process or node behind the named address still uses the other certificate, then reload or " +
      "replace it.",
  },
  "verify.unreachable": {
    class: "target",
    retry: "never",
    action: "Check that the name resolves, and that the named address accepts TLS connections, from the verifier.",
  },
  "verify.protocol": {
    class: "target",
    retry: "never",
    action: "Set `starttls` or `proxyProtocol` of the endpoint as the message says, or correct its port.",
  },
  "verify.dropped": {
    class: "target",
    retry: "never",
    action:
      "Check whether the server behind the named address limits connections, and let the verifier's address pass.",
  },
  "verify.timeout": {
    class: "target",
    retry: "never",
    action:
      "Check that the named address accepts TLS connections from the verifier and does not keep them waiting, " +
      "as a limit on connections does; `handshakeTimeout` of the endpoint gives a slow server more time.",
  },
  "verify.vantageSilent": {
    class: "target",
    retry: "never",
    action: "Start a verifier in that network: `renewd worker verifier --vantage NAME`, with the name of the vantage.",
  },
  "verify.unseen": {
    class: "target",
    retry: "never",
    action: "Let a verifier run: `renewd worker verifier`. If one runs, see its log.",
  },
  "verify.undialable": {
    class: "target",
    retry: "never",
    action:
      "Give the verifier a route to the address, or let its firewall pass it, or run a verifier that has one; " +
      "`verification.undialable` says whether such an address stops a renewal.",
  },
  "verify.forbidden": {
    class: "configuration",
    retry: "never",
    action:
      "Name its network in `discovery.allow` if it may be dialled; else take it out of `watch`, or ignore what " +
      "was found there.",
  },
  "verify.ending": {
    class: "target",
    retry: "never",
    action: "Renew the certificate where it is made, and reload what serves it: renewd only watches it.",
  },
  "verify.wrongCertificate": {
    class: "target",
    retry: "never",
    action: "Check the server name binding: the address answers with some other certificate.",
  },
  "verify.notValid": {
    class: "target",
    retry: "never",
    action: "Compare the served dates with the verifier's clock; renew the certificate if it has expired.",
  },
  "verify.badChain": {
    class: "target",
    retry: "never",
    action: "Let the server send the full chain, leaf first. If an intermediate has expired, renew with --force.",
  },
  "discovery.unreachable": {
    class: "transient",
    retry: "backoff",
    action: "Check the URL below `discovery` in the configuration, and whether this machine may reach it.",
  },
} as const satisfies Record<string, ErrorFacts>;
