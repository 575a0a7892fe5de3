import { WEB_PORT } from "../config/schema/web.ts";
import { createCode, SIGN_IN_PATH } from "../web/auth/session.ts";
import type { Reader } from "./reader.ts";
import { answeringAddress } from "./webAddress.ts";

/** A link that signs one browser in, good for minutes. `by`: who made it, for the history. */
export async function signInLink({ config, store, clock }: Reader, by: string): Promise<string> {
  const { web, dataDir } = config;
  const listening = await answeringAddress(dataDir);
  const host = web.host.includes(":") ? `[${web.host}]` : web.host;
  const usual = `${web.tls === null ? "http" : "https"}://${host}:${web.port ?? WEB_PORT}`;
  const code = await createCode({ store, clock }, by);
  return `${web.url ?? listening ?? usual}${SIGN_IN_PATH}?code=${code}`;
}
