import { findPlace } from "../config/place.ts";
import { tokenFile } from "../web/auth/tokenFile.ts";
import { trustedAddress } from "./webAddress.ts";

/**
 * Where the renewd that runs by this file takes decisions, as `--server` and `--token` name it, although the file may be
 * wrong by now. null: none with a web role runs on this machine, or one whose certificate is for another name.
 */
export async function runningHere(
  configFile: string,
): Promise<{ readonly server: string; readonly token: string } | null> {
  const place = await findPlace(configFile);
  const server = place && (await trustedAddress(place.dataDir));
  if (place === null || server === null || server.startsWith("https:")) return null;
  return { server, token: `file:${tokenFile(place.dataDir)}` };
}
