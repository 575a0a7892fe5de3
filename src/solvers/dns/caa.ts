import { RenewalError } from "../../domain/errors.ts";
import { ask, type Reply, serverName } from "./client.ts";
import type { Lookup } from "./lookup.ts";

/** RFC 8659 §4.1 */
export interface CaaProperty {
  readonly critical: boolean;
  /** In lower case. */
  readonly tag: string;
  readonly value: string;
}

const CRITICAL = 128;

/**
 * The CAA records of one name as every authoritative server gives them: CAs ask from several places, and one server
 * that fails or differs is enough for "during secondary validation". Throws `dns.unreachable` or `dns.refused`, which
 * name the server. Where no server can be reached from here, and for an alias, the resolvers are asked.
 */
export function createCaaLookup(lookup: Lookup) {
  return async (name: string, signal: AbortSignal): Promise<readonly CaaProperty[]> => {
    const replies = await authoritative(lookup, name, signal);
    const first = replies[0];
    const isAlias = replies.some(({ reply }) => reply.answers.some(({ type }) => type === "CNAME"));
    if (first === undefined || isAlias) return propertiesOf(await lookup.resolve({ name, type: "CAA" }, signal));
    for (const { server, reply } of replies) {
      if (reply.rcode !== "NOERROR" && reply.rcode !== "NXDOMAIN")
        throw new RenewalError("dns.refused", `${server} answers ${reply.rcode} when asked for CAA of ${name}`);
      if (keyOf(reply) !== keyOf(first.reply))
        throw new RenewalError("dns.refused", `${first.server} and ${server} have different CAA records of ${name}`);
    }
    return propertiesOf(first.reply);
  };
}

async function authoritative(
  lookup: Lookup,
  name: string,
  signal: AbortSignal,
): Promise<{ readonly server: string; readonly reply: Reply }[]> {
  try {
    const servers = await lookup.nameServers(await lookup.zoneOf(name, signal), signal);
    const asked = servers.flatMap((server) =>
      server.addresses.map(async (address) => {
        const shown = `${server.name} (${serverName(address)})`;
        const reply = await ask(address, { name, type: "CAA" }, { recurse: false }, signal).catch(() => null);
        signal.throwIfAborted();
        return reply === null ? [] : [{ server: shown, reply }];
      }),
    );
    return (await Promise.all(asked)).flat();
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof RenewalError) || error.code !== "dns.unreachable") throw error;
    return [];
  }
}

function propertiesOf({ answers }: Reply): CaaProperty[] {
  return answers.flatMap((answer) =>
    answer.type === "CAA"
      ? [
          {
            critical: ((answer.data.flags ?? 0) & CRITICAL) !== 0,
            tag: answer.data.tag.toLowerCase(),
            value: answer.data.value,
          },
        ]
      : [],
  );
}

function keyOf(reply: Reply): string {
  return propertiesOf(reply)
    .map((property) => JSON.stringify(property))
    .sort()
    .join();
}
