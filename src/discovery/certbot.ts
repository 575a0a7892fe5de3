import type { Lineage, LineageChallenge } from "./found.ts";
import type { Machine } from "./machine.ts";

const DIRECTORY = "/etc/letsencrypt/renewal";

/** Reads certbot's renewal configurations, one file a lineage. */
export async function findCertbot(machine: Machine): Promise<Lineage[]> {
  const lineages: Lineage[] = [];
  for (const file of await machine.list(DIRECTORY)) {
    const place = `${DIRECTORY}/${file}`;
    const text = file.endsWith(".conf") ? await machine.read(place) : null;
    if (text === null) continue;
    const value = (name: string): string | null =>
      new RegExp(`^\\s*${name}\\s*=\\s*(.*?)\\s*$`, "m").exec(text)?.[1] ?? null;
    const certificate = value("fullchain");
    const key = value("privkey");
    if (certificate === null || key === null) continue;
    lineages.push({
      client: "certbot",
      name: file.slice(0, -".conf".length),
      names: [],
      certificate,
      key,
      directory: value("server"),
      challenge: challengeOf(value("authenticator") ?? "", webrootOf(text, value("webroot_path"))),
      // certbot's --deploy-hook is `renew_hook` in its files.
      hook: value("renew_hook") ?? value("post_hook"),
      place,
    });
  }
  return lineages;
}

/** The first directory: of `[[webroot_map]]`, which has one per name, or of the list `webroot_path`. */
function webrootOf(text: string, path: string | null): string | null {
  const mapped = /\[\[webroot_map\]\]\s*\n\s*\S+\s*=\s*(\/\S*)/.exec(text)?.[1];
  return mapped ?? /\/[^,\s]*/.exec(path ?? "")?.[0] ?? null;
}

function challengeOf(authenticator: string, webroot: string | null): LineageChallenge {
  if (authenticator === "webroot" && webroot !== null) return { type: "webroot", directory: webroot };
  if (authenticator.startsWith("dns-")) return { type: "dns-01", provider: authenticator.slice("dns-".length) };
  return ["standalone", "nginx", "apache"].includes(authenticator) ? { type: "http-01" } : { type: "unknown" };
}
