// A receiver as docs/webhook.md asks for one: a real https server that checks the signature of every POST and keeps the
// newest pair of each certificate.
import { createHash, createHmac, createPrivateKey, timingSafeEqual, X509Certificate } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import type { IncomingHttpHeaders } from "node:http";
import { createServer } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { createRoot } from "../ca/pki.ts";

const KEY = Buffer.alloc(32, 42);
export const WEBHOOK_SECRET = `whsec_${KEY.toString("base64")}`;
const TOLERANCE_S = 300;

export interface ReceiverAnswer {
  readonly status: number;
  readonly text: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface WebhookReceiver extends AsyncDisposable {
  readonly url: string;
  /** The CA of its own certificate. */
  readonly trustFile: string;
  /** Ids of the signed messages so far. */
  readonly ids: readonly string[];
  readonly methods: readonly string[];
  last(): { readonly body: string };
  /** SHA-256 of the leaf it holds; throws when its key does not match. */
  fingerprint(certificate: string): string | null;
  /** Answers instead of the receiver, after the signature was checked. */
  answer: ((body: string) => ReceiverAnswer) | null;
}

interface Held {
  readonly generation: number;
  readonly cert: string;
  readonly privateKey?: string;
}

export async function startWebhookReceiver(): Promise<WebhookReceiver> {
  const ca = await createRoot();
  const own = await ca.issue({ names: ["127.0.0.1"] });
  const home = await mkdtemp(join(tmpdir(), "renewd-receiver-"));
  const trustFile = join(home, "ca.pem");
  await writeFile(trustFile, ca.certPem);
  const held = new Map<string, Held>();
  const [ids, methods, bodies]: [string[], string[], string[]] = [[], [], []];
  const server = createServer({ cert: own.certPem, key: own.keyPem }, async (request, response) => {
    methods.push(request.method ?? "");
    const body = await text(request);
    const {
      status,
      text: said,
      headers,
    } = request.method === "POST" ? post(request.headers, body) : { status: 405, text: "", headers: {} };
    response.writeHead(status, headers).end(said);
  });
  const post = (headers: IncomingHttpHeaders, body: string): ReceiverAnswer => {
    const id = verifiedId(headers, body);
    if (id === null) return { status: 401, text: "bad signature" };
    ids.push(id);
    bodies.push(body);
    return receiver.answer?.(body) ?? take(held, body);
  };
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const receiver: WebhookReceiver = {
    url: `https://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}/hooks/certificates?site=a`,
    trustFile,
    ids,
    methods,
    last: () => ({ body: bodies.at(-1) ?? "" }),
    fingerprint(certificate) {
      const pair = held.get(certificate);
      if (pair === undefined) return null;
      const leaf = new X509Certificate(pair.cert);
      if (pair.privateKey !== undefined && !leaf.checkPrivateKey(createPrivateKey(pair.privateKey)))
        throw new Error("the receiver holds a torn pair");
      return createHash("sha256").update(leaf.raw).digest("hex");
    },
    answer: null,
    async [Symbol.asyncDispose]() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
      await rm(home, { recursive: true });
    },
  };
  return receiver;
}

/** Standard Webhooks 1.0.0, "Verifying signatures"; null: not signed by ours, or not just now. */
function verifiedId(headers: IncomingHttpHeaders, body: string): string | null {
  const [id, timestamp, signatures] = ["webhook-id", "webhook-timestamp", "webhook-signature"].map((name) =>
    String(headers[name] ?? ""),
  );
  if (id === undefined || Math.abs(Date.now() / 1_000 - Number(timestamp)) > TOLERANCE_S) return null;
  const expected = createHmac("sha256", KEY).update(`${id}.${timestamp}.${body}`).digest();
  const good = signatures?.split(" ").some((signature) => {
    const given = Buffer.from(signature.replace(/^v1,/, ""), "base64");
    return signature.startsWith("v1,") && given.length === expected.length && timingSafeEqual(given, expected);
  });
  return good ? id : null;
}

function take(held: Map<string, Held>, body: string): ReceiverAnswer {
  // Boundary: the signature says that it is renewd's.
  const { data } = JSON.parse(body) as { data: Held & { certificate: string } };
  const before = held.get(data.certificate)?.generation ?? 0;
  if (before > data.generation) return { status: 409, text: JSON.stringify({ generation: before }) };
  held.set(data.certificate, data);
  return { status: 200, text: JSON.stringify({ receipt: { slot: data.certificate } }) };
}
