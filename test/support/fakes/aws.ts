// What the fakes of AWS's services share: the two protocols as the real SDK speaks them, signatures, and trouble on
// demand. No test framework in here: the demo uses it too.
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { Server } from "node:net";

/** An error as the service answers it. */
export class AwsFault extends Error {
  readonly type: string;
  readonly status: number;
  constructor(type: string, message: string, status = 400) {
    super(message);
    this.type = type;
    this.status = status;
  }
}

interface Answered {
  readonly fault: string;
  readonly message?: string;
  readonly retryAfter?: number;
  readonly status?: number;
}

/**
 * `hang` never answers, `reset` cuts the connection after acting, `meanwhile` lets something happen right before it
 * acts.
 */
export type Disturbance = Answered | { readonly meanwhile: () => void } | "hang" | "reset";

export interface AwsRequest {
  readonly action: string;
  /** Signed for. */
  readonly region: string;
  readonly body: string;
}

interface Encoded {
  readonly contentType: string;
  readonly body: string;
}

export interface AwsProtocol {
  action(request: IncomingMessage, body: string): string;
  /** Header that MUST be signed, as it says what is asked for. */
  readonly signedHeader: string;
  answer(action: string, output: unknown): Encoded;
  fault(fault: AwsFault): Encoded;
}

export interface AwsServiceOptions {
  /** In the scope of the signature, such as `acm`. */
  readonly service: string;
  readonly regions: readonly string[];
  readonly protocol: AwsProtocol;
  /** Throws AwsFault. */
  operate(request: AwsRequest): unknown;
}

export interface AwsServiceFake extends AsyncDisposable {
  readonly endpoint: string;
  /** Actions asked for so far, in order. */
  readonly actions: readonly string[];
  /** Answers of the next calls of this action, one each; `eu-west-1/ImportCertificate` means one region only. */
  disturb(action: string, ...disturbances: readonly Disturbance[]): void;
  /** No longer disturbs anything. */
  calm(): void;
  /** As the conformance suite wants it: the next call of this action is never answered. */
  fallSilent(action: string): { readonly asked: () => boolean; readonly mend: () => void };
  stop(): Promise<void>;
}

const BODY_BYTES_MAX = 4 * 1024 * 1024;

export async function startAwsService({
  service,
  regions,
  protocol,
  operate,
}: AwsServiceOptions): Promise<AwsServiceFake> {
  const actions: string[] = [];
  const disturbances = new Map<string, Disturbance[]>();

  const server = createServer((request, response) => {
    void answer(request, response).catch((error: unknown) =>
      send(response, 500, protocol.fault(new AwsFault("InternalFailure", String(error)))),
    );
  });

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await readBody(request);
    const action = protocol.action(request, body);
    actions.push(action);
    try {
      const region = signedFor(request, { service, regions, signedHeader: protocol.signedHeader });
      const disturbance = disturbances.get(`${region}/${action}`)?.shift() ?? disturbances.get(action)?.shift();
      if (disturbance === "hang") return;
      if (typeof disturbance === "object" && "meanwhile" in disturbance) disturbance.meanwhile();
      else if (typeof disturbance === "object") {
        const { fault, message, retryAfter, status } = disturbance;
        const headers = retryAfter === undefined ? {} : { "retry-after": String(retryAfter) };
        return send(response, status ?? 400, protocol.fault(new AwsFault(fault, message ?? fault)), headers);
      }
      const output = operate({ action, region, body });
      if (disturbance === "reset") request.socket.destroy();
      else send(response, 200, protocol.answer(action, output));
    } catch (error) {
      if (!(error instanceof AwsFault)) throw error;
      send(response, error.status, protocol.fault(error));
    }
  }

  const port = await listen(server);
  const stop = async (): Promise<void> => {
    server.closeAllConnections();
    await close(server);
  };
  return {
    endpoint: `http://127.0.0.1:${port}`,
    actions,
    disturb: (action, ...more) => disturbances.set(action, [...(disturbances.get(action) ?? []), ...more]),
    calm: () => disturbances.clear(),
    fallSilent(action) {
      const before = actions.length;
      disturbances.set(action, ["hang"]);
      return { asked: () => actions.slice(before).includes(action), mend: () => disturbances.clear() };
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** AWS JSON 1.1: the action is in a header, `prefix.Action`. */
export function jsonProtocol(prefix: string): AwsProtocol {
  const encoded = (value: unknown): Encoded => ({
    contentType: "application/x-amz-json-1.1",
    body: JSON.stringify(value),
  });
  return {
    action: (request) => String(request.headers["x-amz-target"] ?? "").replace(`${prefix}.`, ""),
    signedHeader: "x-amz-target",
    answer: (_action, output) => encoded(output),
    fault: ({ type, message }) => encoded({ __type: type, message }),
  };
}

/** AWS Query: a form in, XML out. Arrays become `member` elements; undefined members are left out. */
export function queryProtocol(namespace: string): AwsProtocol {
  const encoded = (root: string, content: string): Encoded => ({
    contentType: "text/xml",
    body: `<${root} xmlns="${namespace}">${content}</${root}>`,
  });
  const requestId = (): string => `<RequestId>${randomUUID()}</RequestId>`;
  return {
    action: (_request, body) => new URLSearchParams(body).get("Action") ?? "",
    signedHeader: "host",
    answer: (action, output) =>
      encoded(
        `${action}Response`,
        `<${action}Result>${toXml(output)}</${action}Result><ResponseMetadata>${requestId()}</ResponseMetadata>`,
      ),
    fault: ({ type, message, status }) =>
      encoded(
        "ErrorResponse",
        `<Error>${toXml({ Type: status >= 500 ? "Receiver" : "Sender", Code: type, Message: message })}</Error>${requestId()}`,
      ),
  };
}

function toXml(value: unknown): string {
  if (Array.isArray(value)) return value.map((one) => `<member>${toXml(one)}</member>`).join("");
  if (typeof value !== "object" || value === null)
    return String(value).replace(/[&<>]/g, (character) => `&#${character.charCodeAt(0)};`);
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  return members.map(([name, member]) => `<${name}>${toXml(member)}</${name}>`).join("");
}

/**
 * A real service would verify the signature; here it must at least be one, for this service and a region of it. Returns
 * the region.
 */
function signedFor(
  request: IncomingMessage,
  wanted: { readonly service: string; readonly regions: readonly string[]; readonly signedHeader: string },
): string {
  const scope =
    /^AWS4-HMAC-SHA256 Credential=[^/]+\/\d{8}\/([a-z0-9-]+)\/([a-z]+)\/aws4_request, SignedHeaders=([^,]*), Signature=[0-9a-f]{64}$/;
  const [, region = "", service, headers = ""] = scope.exec(request.headers.authorization ?? "") ?? [];
  if (service === wanted.service && wanted.regions.includes(region) && headers.split(";").includes(wanted.signedHeader))
    return region;
  throw new AwsFault("IncompleteSignature", "The request is not signed with SigV4 for this region and service.");
}

async function readBody(request: IncomingMessage): Promise<string> {
  let body = "";
  for await (const chunk of request) {
    body += chunk;
    if (body.length > BODY_BYTES_MAX) throw new Error("body too large");
  }
  return body;
}

function send(
  response: ServerResponse,
  status: number,
  { contentType, body }: Encoded,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { "content-type": contentType, "x-amzn-requestid": randomUUID(), ...headers });
  response.end(body);
}

/** Starts on a free port and returns it. */
export async function listen(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

export async function close(server: Server): Promise<void> {
  const closed = once(server, "close");
  server.close();
  await closed;
}

/** The SDK's own credential chain finds these first; nothing in a test may look for others. */
export function useAwsTestCredentials(): void {
  process.env.AWS_ACCESS_KEY_ID = "AKIAEXAMPLE";
  process.env.AWS_SECRET_ACCESS_KEY = "example";
  process.env.AWS_EC2_METADATA_DISABLED = "true";
}
