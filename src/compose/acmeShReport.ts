import { RenewalError } from "../domain/errors.ts";
import { sanitize } from "../domain/text.ts";
import type { AcmeShReport } from "../reports/acmeShScript.ts";
import { acmeSh, findScript } from "../solvers/dns/bridges/acmeSh.ts";
import { readInfo, readVariables } from "../solvers/dns/bridges/acmeShInfo.ts";
import { loadConfigOrExplain } from "./reader.ts";

const UNDESCRIBED = "read by the script, which says no more of it";

/** `home`: the user's acme.sh; left out: that of the first configured solver of this type. */
export async function acmeShReport(
  configFile: string,
  { script, home }: { readonly script: string; readonly home?: string | undefined },
): Promise<AcmeShReport> {
  const name = script.startsWith("dns_") ? script : `dns_${script}`;
  const options = acmeSh.options.safeParse({ home: home ?? (await configuredHome(configFile)), script: name });
  if (!options.success)
    throw new RenewalError(
      "request.invalid",
      options.error.issues.map(({ path, message }) => `${path}: ${message}`).join("; "),
    );
  const { text } = await findScript(options.data);
  const info = readInfo(text, name);
  const found = readVariables(text).map((each) => ({ name: each, description: UNDESCRIBED, isOptional: true }));
  const sets = info?.sets ?? (found.length === 0 ? [] : [found]);
  const line = (text: string): string => sanitize(text, 300);
  return {
    version: 1,
    script: name,
    title: info === null ? null : line(info.title),
    docs: info?.docs == null ? null : line(info.docs),
    sets: sets.map((set) => set.map((each) => ({ ...each, description: line(each.description) }))),
  };
}

async function configuredHome(configFile: string): Promise<unknown> {
  const { solvers } = await loadConfigOrExplain(configFile, { stored: "unread" });
  const [first] = [...solvers.values()].filter(({ plugin }) => plugin.type === acmeSh.type);
  if (first === undefined)
    throw new RenewalError("request.invalid", "no solver of type acme.sh is configured: say where it is by --home DIR");
  return Object(first.options).home;
}
