import type { ErrorFacts } from "./facts.ts";

/** renewd's own parts: requests, queue, store, clock, processes. */
export const PROCESS_ERRORS = {
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
  "peer.unreachable": {
    class: "transient",
    retry: "backoff",
    action: "See whether the other renewd runs, and correct its `url`, `trust` or `token` below `peers`.",
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
    action: "Provide the secret that the message names, or correct it: an `env:` or `file:` reference points to it.",
  },
  "request.invalid": {
    class: "configuration",
    retry: "never",
    action: "Change the command or request as the message says; nothing was done.",
  },
  "process.files": {
    class: "transient",
    retry: "backoff",
    action: "Free space, or give the user that renewd runs as access to the path in the message; renewd tries again.",
  },
  "process.port": {
    class: "transient",
    retry: "backoff",
    action: "Find who uses the port (`ss -ltnp`) and stop it, or set another `http01` address; renewd tries again.",
  },
  "process.replaced": {
    class: "transient",
    retry: "backoff",
    action:
      "Restart renewd: its files were replaced while it ran, as by an upgrade, and it needs one that is not there.",
  },
  "web.address": {
    class: "transient",
    retry: "backoff",
    action:
      "Stop who uses the port (`ss -ltnp`), or correct `web.host` and `web.port`. Beside other roles it is " +
      "tried again.",
  },
  "web.files": {
    class: "transient",
    retry: "backoff",
    action: "Correct the file that the message names; renewd tries again.",
  },
  "web.refused": {
    class: "configuration",
    retry: "never",
    action: "Correct `--server` or `--token`: the renewd there does not accept the request.",
  },
  "web.untrusted": {
    class: "configuration",
    retry: "never",
    action:
      "Let this machine trust the CA of that certificate, in the system's store or by " +
      "NODE_EXTRA_CA_CERTS=/path/ca.pem in the environment, or correct the name in `--server`.",
  },
  "web.unavailable": {
    class: "transient",
    retry: "backoff",
    action: "Start the web role there (`renewd run`, `renewd worker web`), or correct `--server`.",
  },
  "queue.unavailable": {
    class: "transient",
    retry: "backoff",
    action:
      "Start Redis or correct `redis.url` (`redis.trust` where its certificate is refused); renewd catches up by " +
      "itself once it is back. Without `redis` in the configuration it is renewd's own, which `renewd run` starts again " +
      "when it ends, or hangs for half a minute: if it does not, end it or restart `renewd run`.",
  },
  "queue.busy": {
    class: "transient",
    retry: "backoff",
    action: "Nothing: the request keeps its place. Find who sends so many: `renewd history` names who asked.",
  },
  "queue.unanswered": {
    class: "transient",
    retry: "backoff",
    action: "Start a planner: `renewd run`, or `renewd worker planner`; it takes the request up then.",
  },
  "queue.misconfigured": {
    class: "configuration",
    retry: "never",
    action: "Set Redis `maxmemory-policy noeviction`: an evicting Redis loses jobs.",
  },
  "store.unavailable": {
    class: "transient",
    retry: "backoff",
    action:
      "Start the database named in the message, upgrade renewd or migrate where it says so, or correct `store`; " +
      "renewd goes on by itself once it answers.",
  },
  "store.full": {
    class: "transient",
    retry: "backoff",
    action: "Free space on the database's disk; renewd goes on by itself once there is some.",
  },
  "store.forbidden": {
    class: "transient",
    retry: "backoff",
    action:
      "Correct what the message names, so that renewd's user can read and write there: on SQLite to the " +
      "database's file and directory, on PostgreSQL to its tables.",
  },
  "store.damaged": {
    class: "internal",
    retry: "backoff",
    action:
      "Stop renewd, move the database's file away and restore the newest backup: `renewd restore FILE`. Nothing " +
      "else repairs it.",
  },
  "store.conflict": {
    class: "transient",
    retry: "backoff",
    action: "Nothing: the database ended the transaction in favour of others, and renewd tries again.",
  },
  "store.exposed": {
    class: "configuration",
    retry: "never",
    action: "Run the command in the message: what renewd keeps must belong to the user it runs as, and to nobody else.",
  },
  "store.unreadable": {
    class: "internal",
    retry: "backoff",
    action: "Upgrade renewd if a newer release has written the database; otherwise restore a backup: `renewd restore`.",
  },
  "store.moved": {
    class: "configuration",
    retry: "never",
    action:
      "Use the configuration of the database it was copied to. To go on with this one after all, stop whatever uses " +
      "that one, then `renewd store reopen`.",
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
      "Run `renewd audit verify`: it names each row that was changed behind renewd's back. Restore a backup, " +
      "and find out who can write to the database.",
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
  "horizon.unknown": {
    class: "transient",
    retry: "backoff",
    action: "Nothing breaks by it; an end that nobody tells can be declared: `horizon: { declared: [...] }`.",
  },
  "lease.lost": { class: "transient", retry: "backoff", action: "Nothing: another worker has taken over." },
  "clock.skewed": {
    class: "configuration",
    retry: "backoff",
    action:
      "Set this machine's clock (NTP): renewd plans, issues, deploys and verifies nothing while it is over 5 " +
      "minutes off.",
  },
  "internal.crashLoop": {
    class: "internal",
    retry: "never",
    action: "See the log of the worker that died; then resume the certificate with `renewd resume`.",
  },
  "internal.bug": { class: "internal", retry: "backoff", action: "Report this as a bug with the renewal's timeline." },
} as const satisfies Record<string, ErrorFacts>;
