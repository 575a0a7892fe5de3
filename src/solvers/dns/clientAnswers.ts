import type { ClientAnswer, ClientAnswers, DnsRecord } from "../../domain/dnsRecord.ts";
import { RenewalError } from "../../domain/errors.ts";
import { sanitize } from "../../domain/text.ts";
import { CHALLENGE_LABEL } from "./challenge.ts";
import { DNS_NAME } from "./options.ts";
import type { Pace } from "./pace.ts";
import type { Zone } from "./provider.ts";
import { type Publisher, publish, withdraw } from "./publication.ts";

interface ClientPublisher extends Publisher {
  readonly pace: Pace;
  /** Where the answers go that a CA looks for at this name. */
  placeAt(name: string, signal: AbortSignal): Promise<{ readonly name: string; readonly zone: Zone }>;
}

const RECORDS_MAX = 10_000;
/** Of one client at a time. */
const VALUES_MAX = 200;
const BUSY_MS = 15_000;
const DIGEST = /^[A-Za-z0-9_-]{43}$/;

/**
 * Publishes for orders that are not renewd's, by the same rows, locks and rates as its own. What a client never removes
 * becomes a leftover when it expires.
 */
export function clientAnswers(engine: ClientPublisher): ClientAnswers {
  const { dns, pace, solver, now, lifetimeMs } = engine;
  const find = (answer: Pick<ClientAnswer, "client" | "name" | "value">): Promise<DnsRecord | null> => {
    const { client, value } = answer;
    return dns.records.find({ solver, identifier: identifierOf(answer), value, client });
  };
  return {
    async publish(answer, signal) {
      assertPlain(answer);
      const known = await find(answer);
      signal.throwIfAborted();
      if (known?.state === "published")
        return dns.records.update(known.id, { expiresAt: now() + lifetimeMs, nextAttemptAt: null });
      const { client, value, keyAuthorization } = answer;
      await assertRoom(engine, client);
      const { name, zone } = await engine.placeAt(answer.name, signal);
      if (name !== answer.name && !answer.mayPublish(name))
        throw new RenewalError(
          "dns.delegation",
          `${answer.name} is an alias of ${name}, where ${client} may not publish: list it in \`delegated\`.`,
        );
      const publication = { identifier: identifierOf(answer), zone, name, value, client, keyAuthorization };
      try {
        await pace.keep(() => publish(engine, { ...publication, certificate: null, renewalId: null }, signal));
      } catch (thrown) {
        // Nobody may come back for it: what the provider has of it all the same is removed.
        const left = await find(answer);
        if (left?.state === "publishing") await dns.records.update(left.id, { state: "removing", nextAttemptAt: null });
        throw thrown;
      }
    },
    async withdraw(answer, signal) {
      assertPlain(answer);
      const record = await find(answer);
      signal.throwIfAborted();
      if (record !== null) await pace.keep(() => withdraw(engine, record, signal));
      return record !== null;
    },
  };
}

async function assertRoom({ dns, now }: ClientPublisher, client: string): Promise<void> {
  const own = (await dns.records.list(RECORDS_MAX)).filter((record) => record.client === client);
  if (own.length < VALUES_MAX) return;
  throw new RenewalError(
    "dns.busy",
    `${client} has ${VALUES_MAX} values in DNS, and no more fit until one is removed.`,
    {
      retryAt: now() + BUSY_MS,
    },
  );
}

/** Nothing else reaches a provider, a URL or a command; and no record but an answer (RFC 8555 §8.4) is published. */
function assertPlain({ name, value }: Pick<ClientAnswer, "name" | "value">): void {
  if (!DNS_NAME.test(name)) throw new RenewalError("dns.badName", `"${sanitize(name, 253)}" is no plain DNS name.`);
  if (!DIGEST.test(value))
    throw new RenewalError("request.invalid", "the value is no base64url-encoded SHA-256 digest (RFC 8555 §8.4)");
}

/** The validated name; a name that a CNAME leads to stands for itself. */
function identifierOf({ name }: Pick<ClientAnswer, "name">): string {
  return name.startsWith(`${CHALLENGE_LABEL}.`) ? name.slice(CHALLENGE_LABEL.length + 1) : name;
}
