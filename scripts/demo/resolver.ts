// The DNS that the demo's CA and renewd ask: an "Internet" in which every name is on this machine, one name is an alias
// into a zone, and that zone is delegated to renewd's own name server.
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { type Answer, decode, encode, type Packet, type Question } from "dns-packet";

const RECURSION_AVAILABLE = 1 << 7;
const SERVFAIL = 2;
const ANSWER_MAX_MS = 2_000;

export interface DemoResolver extends AsyncDisposable {
  readonly port: number;
}

export interface DemoZone {
  /** Delegated to renewd's name server, which listens on this port. */
  readonly name: string;
  readonly port: number;
  /** The CNAME records that a person creates once: name → name in the zone. */
  readonly aliases: Readonly<Record<string, string>>;
}

/** On loopback, at a port of its own. UDP only: no answer here is long. */
export async function startDemoResolver(zone: DemoZone): Promise<DemoResolver> {
  const socket = createSocket("udp4");
  socket.on("message", (message, { port, address }) => {
    const query = decode(message);
    const [question] = query.questions ?? [];
    if (question === undefined) return;
    const reply = (packet: Packet): void => {
      // Renewd's name server answers with authority; a resolver passes that on without it.
      const flags = RECURSION_AVAILABLE;
      const sent: Packet = { type: "response", id: query.id ?? 0, flags, questions: [question], ...packet };
      socket.send(encode(sent), port, address, () => undefined);
    };
    resolve(question, zone).then(reply, () => reply({ flags: RECURSION_AVAILABLE | SERVFAIL }));
  });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  return { port: socket.address().port, [Symbol.asyncDispose]: () => close(socket) };
}

async function resolve(question: Question, zone: DemoZone): Promise<Packet> {
  const name = question.name.toLowerCase();
  const target = zone.aliases[name];
  if (target !== undefined) {
    const alias: Answer = { name: question.name, type: "CNAME", ttl: 1, data: target };
    if (question.type === "CNAME") return { answers: [alias] };
    const { answers = [] } = await askRenewd({ ...question, name: target }, zone.port);
    return { answers: [alias, ...answers] };
  }
  if (name === zone.name || name.endsWith(`.${zone.name}`)) {
    const { answers = [], authorities = [], rcode } = await askRenewd(question, zone.port);
    const code = rcode === "NXDOMAIN" ? 3 : rcode === "NOERROR" ? 0 : SERVFAIL;
    return { answers, authorities, flags: RECURSION_AVAILABLE | code };
  }
  const here: Answer = { name: question.name, type: "A", ttl: 1, data: "127.0.0.1" };
  return { answers: question.type === "A" ? [here] : [] };
}

type Decoded = ReturnType<typeof decode> & { readonly rcode?: string };

async function askRenewd(question: Question, port: number): Promise<Decoded> {
  const socket = createSocket("udp4");
  try {
    const signal = AbortSignal.timeout(ANSWER_MAX_MS);
    const received = once(socket, "message", { signal });
    socket.connect(port, "127.0.0.1");
    await once(socket, "connect", { signal });
    socket.send(encode({ type: "query", id: 1, questions: [question] }));
    const [message] = await received;
    return decode(message);
  } finally {
    await close(socket);
  }
}

async function close(socket: Socket): Promise<void> {
  const closed = once(socket, "close");
  socket.close();
  await closed;
}
