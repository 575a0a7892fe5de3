// A zone signed once with BIND's tools, by a key that is then thrown away: nobody can sign it again.
import { execFile } from "node:child_process";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const execute = promisify(execFile);
const TOOL_MS = 20_000;
const PAST = ["-s", "20200101000000", "-e", "20200201000000"];

/** Writes `zone.signed` beside `zone`. Returns the key as BIND's `trust-anchors` take it. */
export async function signZone(home: string, zone: string, signatures: "sound" | "expired"): Promise<string> {
  const options = { cwd: home, timeout: TOOL_MS };
  const { stdout } = await execute("dnssec-keygen", ["-a", "ECDSAP256SHA256", "-f", "KSK", zone], options);
  const key = stdout.trim();
  const dates = signatures === "sound" ? [] : PAST;
  await execute("dnssec-signzone", ["-z", "-S", "-P", "-o", zone, "-f", "zone.signed", ...dates, "zone"], options);
  // With it, BIND would sign again what is over.
  await rm(join(home, `${key}.private`));
  const [, flags, protocol, algorithm, text = ""] =
    /DNSKEY (\d+) (\d+) (\d+) ([\w+/= ]+)/.exec(await readFile(join(home, `${key}.key`), "utf8")) ?? [];
  return `static-key ${flags} ${protocol} ${algorithm} "${text.replaceAll(" ", "")}"`;
}
