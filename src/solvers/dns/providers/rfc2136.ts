import { randomInt } from "node:crypto";
import { isIP } from "node:net";
import { decode, encode, type Packet } from "dns-packet";
import { z } from "zod";
import { RenewalError } from "../../../domain/errors.ts";
import { sanitize } from "../../../domain/text.ts";
import { exchangeTcp } from "../client.ts";
import { DNS_NAME, durationOption, secretOption } from "../options.ts";
import { txtValues } from "../propagation.ts";
import type { DnsProvider, DnsProviderKind, ProviderDependencies, Zone } from "../provider.ts";
import { transferNames } from "../transfer.ts";
import { plainName } from "../zone.ts";
import { findTsig, isSignedAnswer, sign, TSIG_ALGORITHMS, type TsigKey } from "./tsig.ts";
import { encodeTxtUpdate, type TxtUpdate } from "./updateMessage.ts";

const DNS_PORT = 53;
const TIMEOUT_DEFAULT = "10s";
const NOBODYS_VALUE = "renewd asks whether it may";
/** As BIND and Knot print keys (RFC 4648 §4). */
const BASE64 = /^(?=.)(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
/** `[address]:port`, `address`, `host:port` or `host`. */
const SERVER = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+|[0-9a-fA-F:.]+?))(?::(\d{1,5}))?$/;

const serverOption = z.string().transform((text, context): { address: string; port: number } => {
  if (isIP(text) !== 0) return { address: text, port: DNS_PORT };
  const [, bracketed, host, port] = SERVER.exec(text) ?? [];
  const address = bracketed ?? host ?? "";
  const number = port === undefined ? DNS_PORT : Number(port);
  if (address !== "" && number > 0 && number <= 65_535) return { address, port: number };
  context.addIssue({ code: "custom", message: "give the host or address of the primary server, with :port if not 53" });
  return z.NEVER;
});

const options = z.strictObject({
  server: serverOption.describe("The zone's primary server, such as `ns1.example.org` or `192.0.2.1:53`."),
  keyName: z
    .string()
    .transform(plainName)
    .refine((name) => DNS_NAME.test(name), "must be the name of a TSIG key")
    .describe("Name of the TSIG key."),
  algorithm: z.enum(TSIG_ALGORITHMS).default("hmac-sha256").describe("Of the key. Default: hmac-sha256."),
  secret: secretOption.describe("The key's secret in base64: env:NAME or file:/path."),
  timeout: durationOption.prefault(TIMEOUT_DEFAULT).describe("Time one answer may take. Default: 10s."),
});

type Options = z.infer<typeof options>;

/** DNS UPDATE with a shared key: BIND, Knot, PowerDNS, Windows DNS and others. */
export const rfc2136: DnsProviderKind<Options> = {
  type: "rfc2136",
  description: "Answers dns-01 challenges by dynamic update of the zone's primary server (RFC 2136) with a TSIG key.",
  docs: "https://www.rfc-editor.org/rfc/rfc2136",
  options,
  // Secondaries follow a NOTIFY within seconds, or at the latest when they refresh.
  traits: { propagationMaxMs: 10 * 60_000 },
  create,
};

function create(chosen: Options, dependencies: ProviderDependencies): DnsProvider {
  const update = (change: TxtUpdate, signal: AbortSignal): Promise<void> =>
    send(
      chosen,
      dependencies,
      { message: encodeTxtUpdate(change), what: `change ${change.name} in zone ${change.zone}` },
      signal,
    );
  return {
    zones: (name, signal) => zonesAt(chosen, dependencies, name, signal),
    async names({ name: zone }, signal) {
      const { server } = chosen;
      const key = await readKey(chosen, dependencies);
      await dependencies.turn(signal);
      const signed = (message: Buffer): Buffer => sign(message, key, dependencies.now()).message;
      return transferNames({ server, zone, sign: signed }, signal);
    },
    /**
     * Removes a value that nobody has, which changes nothing (RFC 2136 §3.4.2.4) but needs key, clock and the right to
     * change TXT records at this very name.
     */
    async missingRights(at, signal) {
      if (at !== null) await update({ zone: at.zone.name, name: at.name, value: NOBODYS_VALUE, ttlS: null }, signal);
      return [];
    },
    txt: {
      model: "record",
      async list(_zone, name, signal) {
        const { answers = [] } = await query(chosen, dependencies, { name, type: "TXT" }, signal);
        const here = answers.filter((answer) => plainName(answer.name) === name);
        return txtValues(here).map((value) => ({ id: null, value }));
      },
      async create(zone, { name, ttlS }, value, signal) {
        await update({ zone: zone.name, name, value, ttlS }, signal);
        return null;
      },
      remove: (zone, { name }, { value }, signal) => update({ zone: zone.name, name, value, ttlS: null }, signal),
    },
  };
}

/** The server itself says which zone holds the name: it has no other list. */
async function zonesAt(
  chosen: Options,
  dependencies: ProviderDependencies,
  name: string,
  signal: AbortSignal,
): Promise<Zone[]> {
  const found: Zone[] = [];
  const labels = name.split(".");
  // From the name upwards: the first zone it has authority for is the longest match.
  for (let level = 0; level < labels.length - 1 && found.length === 0; level++) {
    const candidate = labels.slice(level).join(".");
    const reply = await query(chosen, dependencies, { name: candidate, type: "SOA" }, signal);
    const answers = reply.answers ?? [];
    if (
      reply.isAuthoritative &&
      answers.some((answer) => answer.type === "SOA" && plainName(answer.name) === candidate)
    )
      found.push({ id: candidate, name: candidate });
  }
  return found;
}

async function query(
  { server, timeout }: Options,
  { turn }: ProviderDependencies,
  question: { readonly name: string; readonly type: "SOA" | "TXT" },
  signal: AbortSignal,
): Promise<Packet & { readonly isAuthoritative: boolean }> {
  await turn(signal);
  const message = encode({ type: "query", id: randomInt(65_536), flags: 0, questions: [{ ...question, class: "IN" }] });
  const answer = await exchange(server, message, timeout, signal);
  try {
    return { ...decode(answer), isAuthoritative: (answer.readUInt16BE(2) & 0x0400) !== 0 };
  } catch (cause) {
    throw new RenewalError("dns.unreachable", `${shown(server)} gave an answer that is no DNS message.`, { cause });
  }
}

async function send(
  chosen: Options,
  dependencies: ProviderDependencies,
  { message, what: wanted }: { readonly message: Buffer; readonly what: string },
  signal: AbortSignal,
): Promise<void> {
  const { server, keyName, timeout } = chosen;
  const { turn, now } = dependencies;
  const key = await readKey(chosen, dependencies);
  await turn(signal);
  const request = sign(message, key, now());
  const answer = await exchange(server, request.message, timeout, signal);
  const rcode = answer.length < 12 ? -1 : answer.readUInt16BE(2) & 0xf;
  const what = `${shown(server)} refused to ${wanted} with key "${keyName}"`;
  if (rcode !== 0) throw refusal(what, rcode, findTsig(answer)?.error ?? 0);
  if (!isSignedAnswer(answer, request, key))
    throw new RenewalError(
      "dns.unreachable",
      `${shown(server)} answered without a valid signature by key "${keyName}", so nobody knows who answered.`,
    );
}

/** What is no base64, such as a whole key file, would become some other key, which servers call BADSIG. */
async function readKey(
  { keyName, algorithm, secret: reference }: Options,
  { secret: read }: ProviderDependencies,
): Promise<TsigKey> {
  const secret = await read(reference);
  if (!BASE64.test(secret.reveal().replaceAll(/\s/g, "")))
    throw new RenewalError(
      "config.secret",
      `The secret of the TSIG key "${keyName}" is no base64: give what stands after \`secret\` in the key's file, alone.`,
    );
  return { name: keyName, algorithm, secret };
}

const RCODES: Readonly<Record<number, string>> = {
  1: "FORMERR",
  2: "SERVFAIL",
  3: "NXDOMAIN",
  4: "NOTIMP",
  5: "REFUSED",
  6: "YXDOMAIN",
  7: "YXRRSET",
  8: "NXRRSET",
  9: "NOTAUTH",
  10: "NOTZONE",
};
/** RFC 8945 §5.2: what the server found wrong with the signature. */
const TSIG_ERRORS: Readonly<Record<number, string>> = {
  16: "the key's secret is another one there (BADSIG)",
  17: "it knows no such key, or with another algorithm (BADKEY)",
  18: "its clock and this machine's differ by more than 5 minutes (BADTIME)",
  22: "it wants a longer signature (BADTRUNC)",
};

function refusal(what: string, rcode: number, tsigError: number): RenewalError {
  const name = RCODES[rcode] ?? `rcode ${rcode}`;
  if (rcode === 2) return new RenewalError("dns.unreachable", `${what}: SERVFAIL`);
  const signature = TSIG_ERRORS[tsigError];
  // BIND refuses with REFUSED what a key may not do, Knot with NOTAUTH.
  if (signature !== undefined || rcode === 5 || rcode === 9)
    return new RenewalError(
      "dns.credentials",
      `${what}: ${signature ?? `${name}, the key may not do it, or it is no primary of the zone`}`,
    );
  return new RenewalError("dns.refused", `${what}: ${name}`);
}

async function exchange(
  server: Options["server"],
  message: Buffer,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Buffer> {
  try {
    return await exchangeTcp(server, message, timeoutMs, signal);
  } catch (cause) {
    signal.throwIfAborted();
    const why = cause instanceof Error ? sanitize(cause.message, 200) : "";
    throw new RenewalError("dns.unreachable", `${shown(server)} gave no answer: ${why}`, { cause });
  }
}

function shown({ address, port }: Options["server"]): string {
  return port === DNS_PORT ? address : `${address}:${port}`;
}
