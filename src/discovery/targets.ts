import type { Lineage, ServedPair, ServerFindings, ServerKind } from "./found.ts";

/** Options of one target as the configuration has them, `type` first. */
export type ProposedTarget = Readonly<Record<string, string | readonly string[]>>;

/** How each server is made to read its files again. HAProxy is told through its socket. */
const RELOAD: Readonly<Record<ServerKind, readonly string[]>> = {
  nginx: ["nginx", "-s", "reload"],
  apache: ["apachectl", "graceful"],
  haproxy: ["systemctl", "reload", "haproxy"],
  caddy: ["caddy", "reload", "--force", "--config", "/etc/caddy/Caddyfile"],
};

/** One certificate file, with all that was found about it. */
export interface PairInUse {
  readonly certificate: string;
  readonly key: string;
  /** Whose configuration names it. */
  readonly pairs: readonly ServedPair[];
  readonly lineage: Lineage | null;
}

/**
 * The target that writes where the pair is read today, so that no server's configuration has to change. `name`: the
 * certificate's, for which its paths get the placeholder, so that one target serves many certificates.
 */
export function targetFor(pair: PairInUse, name: string, servers: readonly ServerFindings[]): ProposedTarget {
  const target = plainTarget(pair, servers);
  const withPlaceholder = (text: string): string =>
    text.replaceAll(`/${name}/`, "/{certificate}/").replaceAll(`/${name}.`, "/{certificate}.");
  return Object.fromEntries(
    Object.entries(target).map(([key, value]) => {
      if (key === "lineage" && value === name) return [key, "{certificate}"];
      return [key, typeof value === "string" && key !== "type" ? withPlaceholder(value) : value];
    }),
  );
}

/** What the client runs after a renewal, as a command of ours; null: none, or one that no line of text can hold. */
export function hookOf(lineage: Lineage | null): readonly string[] | null {
  const hook = lineage?.hook?.trim() ?? "";
  return hook === "" || hook.length > HOOK_CHARACTERS_MAX || /\p{C}/u.test(hook) ? null : ["sh", "-c", hook];
}

const HOOK_CHARACTERS_MAX = 1_000;

function plainTarget(
  { certificate, key, pairs, lineage }: PairInUse,
  servers: readonly ServerFindings[],
): ProposedTarget {
  const [kind] = new Set(pairs.map(({ server }) => server));
  const command = kind === undefined ? hookOf(lineage) : RELOAD[kind];
  const reload = command === null ? {} : { command };
  const certbot = /^(\/.+)\/live\/([^/]+)\/(fullchain|cert)\.pem$/.exec(certificate);
  if (certbot !== null) {
    const [, directory = "", lineage = ""] = certbot;
    return { type: "certbot", ...(directory === "/etc/letsencrypt" ? {} : { directory }), lineage, ...reload };
  }
  const files = certificate === key ? { bundle: certificate } : { fullchain: certificate, privkey: key };
  if (kind === "nginx" || kind === "apache") return { type: kind, ...files };
  const socket = servers.find(({ server }) => server === "haproxy")?.socket ?? null;
  if (kind === "haproxy" && socket !== null) return { type: "haproxy", socket, file: certificate };
  if (kind === "caddy" && certificate === key) return { type: "caddy", file: certificate };
  return { type: "files", ...files, ...reload };
}
