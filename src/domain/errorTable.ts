/** Who has to act, and whether another attempt can help: decides back-off and notifications. */
export type ErrorClass = "transient" | "rateLimited" | "validation" | "caa" | "target" | "configuration" | "internal";

export interface ErrorFacts {
  readonly class: ErrorClass;
  /**
   * `backoff`: try again later in the same renewal. `never`: end the renewal; the planner starts another much later.
   */
  readonly retry: "backoff" | "never";
  /** What the reader should do, one imperative sentence. */
  readonly action: string;
}

/** The one table that says what each code means. Adapters throw codes; only `renewal/` acts on these facts. */
export const ERRORS = {
  "acme.connection": {
    class: "transient",
    retry: "backoff",
    action: "Check that the CA's directory URL is reachable from the ACME worker.",
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
      "Correct what the message names in the certificate's `csr`. renewd tries daily; `renewd renew NAME` does at once.",
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
      "Check what answers for this CA: its clock differs from all others, so nothing but an emergency is ordered there.",
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
  "solver.failed": {
    class: "validation",
    retry: "backoff",
    action: "Check the solver's credentials and reachability.",
  },
  "deploy.unreachable": {
    class: "target",
    retry: "backoff",
    action: "Check that the target runs and its address, socket or API is reachable from the deployer.",
  },
  "deploy.timeout": {
    class: "target",
    retry: "backoff",
    action: "Check the target's health: it did not answer in time.",
  },
  "deploy.rateLimited": {
    class: "target",
    retry: "backoff",
    action: "Wait: renewd tries again when the target allows it.",
  },
  "deploy.forbidden": {
    class: "target",
    retry: "backoff",
    action: "Give renewd's credentials the permission named in the message.",
  },
  "deploy.io": {
    class: "target",
    retry: "backoff",
    action: "Check directory, owner, mode and free space named in the message.",
  },
  "deploy.commandFailed": {
    class: "target",
    retry: "backoff",
    action: "Run the command by hand on the target and fix what it reports.",
  },
  "deploy.refused": {
    class: "target",
    retry: "never",
    action: "Change what the target refuses, as the message says; trying again would not help.",
  },
  "deploy.missingPackage": {
    class: "configuration",
    retry: "never",
    action: "Run the `npm install` line of the message where the deployer runs, then resume.",
  },
  "deploy.newerGeneration": {
    class: "target",
    retry: "never",
    action: "Nothing: the target already holds a newer pair; an older one never replaces it.",
  },
  "deploy.unattended": {
    class: "target",
    retry: "backoff",
    action:
      "Start a deployer for the target: `renewd worker deployer`; with `agent: true` on its own machine, `--targets NAME`.",
  },
  "deploy.rolledBack": {
    class: "target",
    retry: "backoff",
    action: "Find out why the pair was taken back. A new one is tried by itself later, or at once with `renewd renew`.",
  },
  "deploy.badPair": {
    class: "internal",
    retry: "never",
    action: "Key and certificate do not belong together; nothing was touched. Report this as a bug.",
  },
  "verify.stale": {
    class: "target",
    retry: "never",
    action: "Reload or repair the server at the named address: it does not serve the new certificate.",
  },
  "verify.mixed": {
    class: "target",
    retry: "never",
    action:
      "Find which process or node behind the named address still uses the other certificate, then reload or replace it.",
  },
  "verify.unreachable": {
    class: "target",
    retry: "never",
    action: "Check that the named address accepts TLS connections from the verifier.",
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
  "verify.badChain": { class: "target", retry: "never", action: "Let the server send the full chain, leaf first." },
  "notify.failed": {
    class: "transient",
    retry: "backoff",
    action: "Check the channel's receiver; renewd tries again for a day.",
  },
  "notify.refused": {
    class: "configuration",
    retry: "never",
    action: "Correct the channel: its receiver refuses the notification.",
  },
  "config.invalid": { class: "configuration", retry: "never", action: "Correct the configuration at the named place." },
  "config.removed": {
    class: "configuration",
    retry: "never",
    action: "Nothing: the certificate, target or issuer left the configuration.",
  },
  "config.secret": {
    class: "configuration",
    retry: "never",
    action: "Provide the secret that the named env: or file: reference points to.",
  },
  "request.invalid": { class: "configuration", retry: "never", action: "Correct the named field of the request." },
  "queue.unavailable": {
    class: "transient",
    retry: "backoff",
    action: "Start Redis or correct `redis.url`; renewd catches up by itself once it is back.",
  },
  "queue.misconfigured": {
    class: "configuration",
    retry: "never",
    action: "Set Redis `maxmemory-policy noeviction`: an evicting Redis loses jobs.",
  },
  "store.unavailable": { class: "transient", retry: "backoff", action: "Check the database named in the message." },
  "store.unreadable": {
    class: "internal",
    retry: "backoff",
    action: "Upgrade renewd if a newer release has written the database; otherwise restore a backup: `renewd restore`.",
  },
  "store.sealed": {
    class: "configuration",
    retry: "never",
    action: "Provide the master key this database was created with.",
  },
  "store.altered": {
    class: "configuration",
    retry: "never",
    action:
      "Run `renewd audit verify`: it names each row that was changed behind renewd's back. Restore a backup, and find out who can write to the database.",
  },
  "backup.file": {
    class: "configuration",
    retry: "never",
    action: "Check path, permissions and free space of the backup file named in the message.",
  },
  "backup.damaged": {
    class: "configuration",
    retry: "never",
    action: "Fetch the backup again or take another one: nothing was restored from this file.",
  },
  "lease.lost": { class: "transient", retry: "backoff", action: "Nothing: another worker has taken over." },
  "clock.skewed": {
    class: "configuration",
    retry: "backoff",
    action:
      "Set this machine's clock (NTP): renewd plans, issues, deploys and verifies nothing while it is over 5 minutes off.",
  },
  "internal.crashLoop": {
    class: "internal",
    retry: "never",
    action: "See the log of the worker that died; then resume the certificate with `renewd resume`.",
  },
  "internal.bug": { class: "internal", retry: "backoff", action: "Report this as a bug with the renewal's timeline." },
} as const satisfies Record<string, ErrorFacts>;

export type ErrorCode = keyof typeof ERRORS;

export function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERRORS, code);
}
