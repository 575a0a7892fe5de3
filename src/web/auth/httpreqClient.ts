import { toRenewalError } from "../../domain/errors.ts";
import type { HttpreqClient } from "../../domain/httpreqClient.ts";
import { PASSWORD_CHARACTERS_MIN } from "../../domain/httpreqClient.ts";
import type { WebContext } from "../context.ts";
import { isSame } from "./actor.ts";

export const HTTPREQ_PREFIX = "/httpreq/";

export interface KnownClient extends HttpreqClient {
  readonly name: string;
}

/** Whether the path is for clients of `web.httpreq`; without any, it is like every other. */
export function isForClients(path: string, web: Pick<WebContext, "config">): boolean {
  return path.startsWith(HTTPREQ_PREFIX) && web.config().web.httpreq.size > 0;
}

/** Who sends this Authorization header (RFC 7617); null: nobody renewd knows. */
export async function clientOf(
  { config, secret, renewal }: Pick<WebContext, "config" | "secret" | "renewal">,
  authorization: string | undefined,
): Promise<KnownClient | null> {
  const [, encoded = ""] = /^Basic +([A-Za-z0-9+/]+=*)$/i.exec(authorization ?? "") ?? [];
  const [, name = "", given = ""] = /^([^:]*):(.*)$/s.exec(Buffer.from(encoded, "base64").toString("utf8")) ?? [];
  const client = config().web.httpreq.get(name);
  if (client === undefined) return null;
  const password = await secret(client.password).then(
    (found) => found.reveal(),
    // Whoever asks is not known yet, and learns nothing.
    (thrown: unknown) => {
      renewal.log.error(
        { client: name, err: toRenewalError(thrown) },
        "httpreq client refused: its password is not there",
      );
      return null;
    },
  );
  if (password === null) return null;
  if (password.length < PASSWORD_CHARACTERS_MIN)
    renewal.log.error(
      { client: name },
      `httpreq client refused: its password is shorter than ${PASSWORD_CHARACTERS_MIN}`,
    );
  return password.length >= PASSWORD_CHARACTERS_MIN && isSame(given, password) ? { ...client, name } : null;
}
