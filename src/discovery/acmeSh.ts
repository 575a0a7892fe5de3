import type { Lineage, LineageChallenge } from "./found.ts";
import type { Machine } from "./machine.ts";

/** Where acme.sh is installed by default, for root and as its documents advise for all users. */
const HOMES = ["/root/.acme.sh", "/etc/acme.sh", "/opt/acme.sh"];

/** Reads acme.sh's state: one directory and one `NAME.conf` a certificate. */
export async function findAcmeSh(machine: Machine): Promise<Lineage[]> {
  const lineages: Lineage[] = [];
  for (const home of HOMES)
    for (const directory of await machine.list(home)) {
      const name = directory.replace(/_ecc$/, "");
      const place = `${home}/${directory}/${name}.conf`;
      const text = name.includes(".") ? await machine.read(place) : null;
      if (text === null) continue;
      lineages.push(lineageOf({ name, place, directory: `${home}/${directory}`, text }));
    }
  return lineages;
}

interface Source {
  readonly name: string;
  readonly place: string;
  readonly directory: string;
  readonly text: string;
}

function lineageOf({ name, place, directory, text }: Source): Lineage {
  const value = (key: string): string => new RegExp(`^${key}='(.*)'$`, "m").exec(text)?.[1] ?? "";
  const alternatives = value("Le_Alt").split(",");
  const names = [value("Le_Domain"), ...alternatives].filter((each) => each !== "" && each !== "no");
  return {
    client: "acme.sh",
    name,
    names,
    // Where it installs the pair, else its own copy.
    certificate: value("Le_RealFullChainPath") || `${directory}/fullchain.cer`,
    key: value("Le_RealKeyPath") || `${directory}/${name}.key`,
    directory: value("Le_API").startsWith("https://") ? value("Le_API") : null,
    challenge: challengeOf(value("Le_Webroot")),
    hook: plain(value("Le_ReloadCmd")) || null,
    place,
  };
}

/** acme.sh writes commands between these marks, so that no quote ends the line. */
function plain(value: string): string {
  const coded = /^__ACME_BASE64__START_([A-Za-z0-9+/=]*)__ACME_BASE64__END_$/.exec(value)?.[1];
  return coded === undefined ? value : Buffer.from(coded, "base64").toString("utf8");
}

/** acme.sh keeps in `Le_Webroot` what validates: a directory, `no` for its own server, or `dns_NAME`. */
function challengeOf(webroot: string): LineageChallenge {
  if (webroot.startsWith("/")) return { type: "webroot", directory: webroot };
  if (webroot.startsWith("dns_")) return { type: "dns-01", provider: webroot.slice("dns_".length).split(",")[0] ?? "" };
  return webroot === "no" ? { type: "http-01" } : { type: "unknown" };
}
