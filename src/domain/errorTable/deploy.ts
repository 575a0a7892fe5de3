import type { ErrorFacts } from "./facts.ts";

/** Putting a pair in place. */
export const DEPLOY_ERRORS = {
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
    action: "Fix what the message names: free space, owner or mode of the path, or a file system mounted read-only.",
  },
  "deploy.commandFailed": {
    class: "target",
    retry: "backoff",
    action: "Fix what the command reports; if that says too little, run it by hand where the deployer runs.",
  },
  "deploy.refused": {
    class: "target",
    retry: "never",
    action: "Change what the target refuses, as the message says; trying again would not help.",
  },
  "deploy.missingPackage": {
    class: "configuration",
    retry: "never",
    action: "Run the `npm install` line of the message where the deployer runs, then `renewd retry NAME`.",
  },
  "deploy.newerGeneration": {
    class: "target",
    retry: "never",
    action:
      "Find the other renewd that deploys to this place, and give one of them another; after a lost database, " +
      "remove the record that the message names.",
  },
  "deploy.unattended": {
    class: "target",
    retry: "backoff",
    action:
      "Start a deployer for the target: `renewd worker deployer`; with `agent: true` on its own machine: " +
      "`renewd worker deployer --targets TARGET`.",
  },
  "deploy.rolledBack": {
    class: "target",
    retry: "backoff",
    action:
      "Find out why the pair was taken back. A new one is tried by itself later, or at once: `renewd renew NAME " +
      "--force`.",
  },
  "deploy.badPair": {
    class: "internal",
    retry: "never",
    action: "Key and certificate do not belong together; nothing was touched. Report this as a bug.",
  },
} as const satisfies Record<string, ErrorFacts>;
