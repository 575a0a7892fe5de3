import type { ErrorFacts } from "./facts.ts";

/** What a CA said, or what kept us from asking it. */
export const ACME_ERRORS = {
  "acme.connection": {
    class: "transient",
    retry: "backoff",
    action: "Check that the CA's directory URL is reachable from the ACME worker.",
  },
  "acme.address": {
    class: "configuration",
    retry: "backoff",
    action:
      "For a CA in your own network set `issuers.NAME.privateAddresses: true`; otherwise ask the CA why it " +
      "names such a URL.",
  },
  "acme.timeout": {
    class: "transient",
    retry: "backoff",
    action: "Nothing, unless it repeats: then check the CA's status page and the network path.",
  },
  "acme.server": {
    class: "transient",
    retry: "backoff",
    action: "Nothing, unless it repeats: then check the CA's status page.",
  },
  "acme.rateLimited": {
    class: "rateLimited",
    retry: "backoff",
    action: "Wait: renewd tries again when the CA allows it. Reduce duplicate orders if it repeats.",
  },
  "acme.budget": {
    class: "rateLimited",
    retry: "backoff",
    action:
      "Nothing: renewd waits so that it stays below the CA's limit. If the CA allows more, set the issuer's `limits`.",
  },
  "acme.untrusted": {
    class: "configuration",
    retry: "backoff",
    action: "Set the issuer's `trust` to the CA file that signs its directory's TLS certificate.",
  },
  "acme.directory": {
    class: "transient",
    retry: "backoff",
    action: "Nothing, unless it repeats: then correct `directory`: it is no ACME directory (RFC 8555 §7.1.1).",
  },
  "acme.account": {
    class: "configuration",
    retry: "never",
    action: "Check the issuer's contact, terms and external account binding.",
  },
  "acme.userAction": {
    class: "configuration",
    retry: "never",
    action: "Open the link in the message and do what the CA asks for there; then `renewd resume NAME`.",
  },
  "acme.unauthorized": {
    class: "validation",
    retry: "backoff",
    action: "Check that each name's challenge reaches renewd: DNS records, port 80, redirects.",
  },
  "acme.dns": {
    class: "validation",
    retry: "backoff",
    action: "Check the DNS records of the name the CA could not resolve.",
  },
  "acme.challengeConnection": {
    class: "validation",
    retry: "backoff",
    action: "Open port 80 from the Internet to renewd's http-01 responder for this name.",
  },
  "acme.caa": {
    class: "caa",
    retry: "never",
    action: "Add this CA to the domain's CAA record or choose another issuer.",
  },
  "acme.rejectedIdentifier": {
    class: "configuration",
    retry: "never",
    action: "Remove the refused name from the certificate or use a CA that accepts it.",
  },
  "acme.badCsr": {
    class: "configuration",
    retry: "never",
    action: "Choose another `keyType`: the CA refuses this key or request.",
  },
  "acme.ownCsr": {
    class: "configuration",
    retry: "never",
    action:
      "Correct what the message names in the certificate's `csr`. renewd tries daily; `renewd renew NAME` does " +
      "at once.",
  },
  "acme.orderInvalid": {
    class: "validation",
    retry: "backoff",
    action: "See the problem the CA reported for each name.",
  },
  "acme.noChallenge": {
    class: "configuration",
    retry: "never",
    action: "Choose a solver whose challenge type the CA offers for this name.",
  },
  "acme.refused": {
    class: "configuration",
    retry: "never",
    action: "See the problem the CA reported; it will not go away by itself.",
  },
  "acme.clock": {
    class: "transient",
    retry: "backoff",
    action:
      "Check what answers for this CA: its clock differs from all others, so nothing but an emergency is " +
      "ordered there.",
  },
  "acme.badCertificate": {
    class: "transient",
    retry: "backoff",
    action: "Nothing was stored or deployed. If it repeats, report it to the CA.",
  },
  "acme.profile": {
    class: "configuration",
    retry: "never",
    action: "Set the certificate's `profile` to one that the CA offers, or remove it.",
  },
  "acme.renewalInfo": {
    class: "transient",
    retry: "backoff",
    action: "Nothing: the certificate renews by its own window. If it repeats, report it to the CA.",
  },
} as const satisfies Record<string, ErrorFacts>;
