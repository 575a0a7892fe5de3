import { createHash } from "node:crypto";
import { Hono, type Context as Request } from "hono";
import { z } from "zod";
import type { ClientAnswer, ClientAnswers } from "../domain/dnsRecord.ts";
import { toRenewalError } from "../domain/errors.ts";
import { sanitize } from "../domain/text.ts";
import { clientOf, HTTPREQ_PREFIX, type KnownClient } from "./auth/httpreqClient.ts";
import { recordRefusal } from "./auth/refusals.ts";
import type { WebContext, WebEnv, WebRoutes } from "./context.ts";
import { HttpProblem, problemFrom, sendProblem } from "./problem.ts";

/** lego waits 30 s by default; what takes longer is finished, so that the next attempt finds it. */
const CHANGE_MAX_MS = 60_000;
/** 100 at once, as for a certificate with 50 names. */
const RATE = { everyMs: 200, burst: 100 };
const LABEL = "_acme-challenge.";
const name = z.string().min(1).max(255);
/** Default mode, and RAW. Further members are ignored. */
const byValue = z.object({ fqdn: name, value: z.string().max(255) });
const TOKEN = /^[A-Za-z0-9_-]{1,256}$/;
const KEY_AUTHORIZATION = /^([A-Za-z0-9_-]{1,256})\.[A-Za-z0-9_-]{43}$/;
const raw = z.object({ domain: name, token: z.string().regex(TOKEN), keyAuth: z.string().regex(KEY_AUTHORIZATION) });
const message = z.union([byValue, raw]);

/**
 * The server of lego's `httpreq` contract (https://go-acme.github.io/lego/dns/httpreq/): other ACME clients publish
 * their answers through a solver of renewd, and need no DNS credential. Any 2xx means that it is done.
 */
export function httpreqRoutes(web: WebContext): WebRoutes {
  return new Hono<WebEnv>()
    .post(`${HTTPREQ_PREFIX}present`, (request) =>
      answer(web, request, async (client, published, signal) => {
        await answersOf(web, client).publish(published, signal);
        await record(web, "client.published", client, published);
      }),
    )
    .post(`${HTTPREQ_PREFIX}cleanup`, (request) =>
      answer(web, request, async (client, published, signal) => {
        if (await answersOf(web, client).withdraw(published, signal))
          await record(web, "client.removed", client, published);
      }),
    )
    .on(["GET", "PUT", "DELETE", "PATCH"], [`${HTTPREQ_PREFIX}present`, `${HTTPREQ_PREFIX}cleanup`], (request) => {
      request.header("allow", "POST");
      throw new HttpProblem(405, `${request.req.method} is not possible here: POST is`, { action: ADVICE });
    });
}

const ADVICE = "Point the client's HTTPREQ_ENDPOINT to /httpreq, as docs/dns.md shows.";

type Work = (client: KnownClient, published: ClientAnswer, signal: AbortSignal) => Promise<void>;

async function answer(web: WebContext, request: Request<WebEnv>, work: Work): Promise<Response> {
  const client = await clientOf(web, request.req.header("authorization"));
  if (client === null) {
    await recordRefusal(web, "httpreq");
    throw new HttpProblem(401, "user name or password is not valid", { action: ADVICE });
  }
  await takeTurn(web, client);
  // Another site's page cannot send this type without asking first, which is never answered.
  if (!/^application\/json *(?:;|$)/i.test(request.req.header("content-type") ?? ""))
    throw new HttpProblem(415, "the body must be application/json", { action: ADVICE });
  const published = await answerIn(request, client);
  try {
    await work(client, published, AbortSignal.timeout(CHANGE_MAX_MS));
    return request.body(null, 204);
  } catch (thrown) {
    const error = toRenewalError(thrown);
    const { log, clock } = web.renewal;
    log.warn({ client: client.name, name: published.name, err: error }, "httpreq client not served");
    const problem = problemFrom(thrown);
    // A bug is logged and answered where all of them are.
    if (problem.status === 500) throw thrown;
    const retryAfterS = error.retryAt === null ? null : Math.max(1, Math.ceil((error.retryAt - clock.now()) / 1_000));
    return sendProblem(request, { ...problem, ...(retryAfterS !== null && { retryAfterS }) });
  }
}

/** However often a client asks: neither the history nor what the DNS provider allows is used up by it. */
async function takeTurn({ renewal: { store, clock } }: WebContext, { name }: KnownClient): Promise<void> {
  const now = clock.now();
  const at = await store.dns.rates.turn(`httpreq client ${name}`, RATE, { now, latest: now });
  if (at > now)
    throw new HttpProblem(503, `${name} asks more often than once in ${RATE.everyMs} ms`, {
      ...{
        code: "dns.rateLimited",
        action: "Wait as long as Retry-After says.",
        retryAfterS: Math.ceil((at - now) / 1_000),
      },
    });
}

/** Throws what is wrong with the message, or with the client's wish. */
async function answerIn(request: Request<WebEnv>, client: KnownClient): Promise<ClientAnswer> {
  const given: unknown = await request.req.json().catch(() => null);
  const { data } = message.safeParse(given);
  if (data === undefined)
    throw new HttpProblem(400, "the body must have `fqdn` and `value`, or `domain`, `token` and `keyAuth`", {
      action: ADVICE,
    });
  const isRaw = "keyAuth" in data;
  if (isRaw && !data.keyAuth.startsWith(`${data.token}.`))
    throw new HttpProblem(400, "the key authorization is not of this token (RFC 8555 §8.1)", { action: ADVICE });
  const at = plainName(isRaw ? `${LABEL}${data.domain.replace(/^\*\./, "")}` : data.fqdn);
  if (!mayPublish(client, at))
    throw new HttpProblem(403, `${client.name} may not publish at ${sanitize(at, 253)}`, {
      action: `Add the zone to \`web.httpreq.${client.name}.zones\`, or correct the name.`,
    });
  const value = isRaw ? createHash("sha256").update(data.keyAuth).digest("base64url") : data.value;
  return {
    ...{ client: client.name, name: at, value, keyAuthorization: isRaw ? data.keyAuth : null },
    mayPublish: (other) => mayPublish(client, other),
  };
}

const plainName = (written: string): string => written.toLowerCase().replace(/\.$/, "");

function mayPublish({ zones, delegated }: KnownClient, at: string): boolean {
  if (delegated.includes(at)) return true;
  const domain = at.startsWith(LABEL) ? at.slice(LABEL.length) : null;
  return domain !== null && zones.some((zone) => domain === zone || domain.endsWith(`.${zone}`));
}

/** Throws `config.invalid` for a solver that cannot. */
function answersOf({ renewal }: WebContext, { name: client, solver }: KnownClient): ClientAnswers {
  const answers = renewal.services.solver(solver).dns?.forClients;
  if (answers !== undefined) return answers;
  throw new HttpProblem(409, `solver ${solver} of client ${client} does not publish for clients`, { action: ADVICE });
}

async function record(
  { renewal: { store, clock } }: WebContext,
  type: "client.published" | "client.removed",
  { name: client, solver }: KnownClient,
  { name: at }: ClientAnswer,
): Promise<void> {
  const of = { certificate: null, renewalId: null, target: null };
  await store.events.append({ at: clock.now(), type, ...of, detail: { client, solver, name: at } });
}
