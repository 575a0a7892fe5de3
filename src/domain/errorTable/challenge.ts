import type { ErrorFacts } from "./facts.ts";

/** Answering challenges: solvers. */
export const CHALLENGE_ERRORS = {
  "solver.failed": {
    class: "validation",
    retry: "backoff",
    action: "Check the solver's credentials and reachability.",
  },
  "dnsServer.address": {
    class: "configuration",
    retry: "backoff",
    action: "Find who uses port 53 (`ss -lnup`) and stop it, or set another `dnsServer` address; renewd tries again.",
  },
  "http01.address": {
    class: "configuration",
    retry: "backoff",
    action: "Do what the message says; renewd tries to listen again by itself.",
  },
  "tlsAlpn01.address": {
    class: "configuration",
    retry: "backoff",
    action: "Do what the message says; renewd tries to listen again by itself.",
  },
  "dns.credentials": {
    class: "configuration",
    retry: "backoff",
    action: "Give the solver's credentials the right that the message names, or correct them.",
  },
  "dns.noZone": {
    class: "configuration",
    retry: "never",
    action:
      "Use credentials that own the zone, list a solver that does, or delegate `_acme-challenge` into its zone; " +
      "`renewd challenges delegate NAME` prints the records for renewd's own name server.",
  },
  "dns.ambiguousZone": {
    class: "configuration",
    retry: "never",
    action: "Set the solver's `zone` to the id of the right one.",
  },
  "dns.delegation": {
    class: "configuration",
    retry: "never",
    action: "Correct the CNAME or NS records that the message names, or set the solver's `follow`.",
  },
  "dns.badName": {
    class: "configuration",
    retry: "never",
    action: "Correct the name: it cannot exist in DNS.",
  },
  "dns.rateLimited": {
    class: "rateLimited",
    retry: "backoff",
    action: "Nothing: renewd tries again when the provider allows it.",
  },
  "dns.busy": {
    class: "rateLimited",
    retry: "backoff",
    action: "Nothing: another order uses the same name or provider; this one is next.",
  },
  "dns.unreachable": {
    class: "transient",
    retry: "backoff",
    action: "Nothing, unless it repeats: then check that the ACME worker reaches the DNS provider.",
  },
  "dns.refused": {
    class: "validation",
    retry: "backoff",
    action: "See what the DNS provider answered.",
  },
  "dns.missingPackage": {
    class: "configuration",
    retry: "never",
    action: "Run the `npm install` line of the message where the ACME worker runs, then retry.",
  },
  "dns.notPropagated": {
    class: "validation",
    retry: "backoff",
    action: "Check the name server that the message names; if it is only slow, raise `propagation: timeout`.",
  },
  "dns.persist": {
    class: "configuration",
    retry: "backoff",
    action: "Create the records that `renewd challenges persist NAME` prints, then retry.",
  },
  "challenge.preflight": {
    class: "validation",
    retry: "backoff",
    action: "Correct what the message names; `renewd check NAME` shows everything that was found.",
  },
  "challenge.waiting": {
    class: "rateLimited",
    retry: "backoff",
    action: "Nothing: the answer is published and renewd comes back to it.",
  },
} as const satisfies Record<string, ErrorFacts>;
