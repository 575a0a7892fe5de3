import { once } from "node:events";
import { get } from "node:http";
import { connect } from "node:net";
import { IDENTITY_PATH } from "../domain/challengeToken.ts";
import type { ListeningAddress } from "../web/listen.ts";
import type { ProblemNote } from "./beats.ts";

/** The kernel shares connections out among all that listen: so many that another one is met almost surely. */
const CONNECTIONS = 16;
const ANSWER_TIMEOUT_MS = 2_000;
const IDENTITY_BYTES_MAX = 100;

/**
 * Several processes of one installation may share the responder's port, as each can answer for all. One of another
 * installation answers 404 to half of the CA's questions: this finds it by asking. null: all answers were ours, or
 * nobody answered.
 */
export async function sharedPort(
  { host, port }: ListeningAddress,
  identity: string,
  signal: AbortSignal,
): Promise<ProblemNote | null> {
  const at = dialled(host);
  const answers = await Promise.all(
    Array.from({ length: CONNECTIONS }, () => whoAnswers({ host: at, port }, signal).catch(() => null)),
  );
  const foreign = answers.filter((answer) => answer !== null && answer !== identity).length;
  if (foreign === 0) return null;
  const asked = answers.filter((answer) => answer !== null).length;
  return {
    message:
      `another installation or program listens on port ${port} as well: ${foreign} of ${asked} connections got its ` +
      "answer, so challenges fail at random",
    action: `Find it (\`ss -ltnp 'sport = :${port}'\`) and stop it, or give one of them another \`http01\` address.`,
  };
}

/** Who has the port already, where this process may not listen itself; null: nobody. */
export async function listenerAt(
  { host, port }: ListeningAddress,
  signal: AbortSignal,
): Promise<"renewd" | "another" | null> {
  const at = dialled(host);
  if ((await whoAnswers({ host: at, port }, signal).catch(() => "")) !== "") return "renewd";
  const socket = connect({ host: at, port });
  try {
    await once(socket, "connect", { signal });
    return "another";
  } catch {
    return null;
  } finally {
    socket.destroy();
  }
}

function dialled(host: string): string {
  return host === "::" || host === "0.0.0.0" ? "127.0.0.1" : host;
}

function whoAnswers({ host, port }: ListeningAddress, signal: AbortSignal): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const limited = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_TIMEOUT_MS)]);
  // A connection of its own each: one that is kept meets the same listener again.
  const request = get({ host, port, path: IDENTITY_PATH, agent: false, signal: limited }, (response) => {
    let text = "";
    response.setEncoding("latin1");
    response.on("data", (chunk: string) => {
      text = (text + chunk).slice(0, IDENTITY_BYTES_MAX);
    });
    response.on("end", () => resolve(response.statusCode === 200 ? text : ""));
    response.on("error", reject);
  });
  request.on("error", reject);
  return promise;
}
