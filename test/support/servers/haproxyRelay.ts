import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

export interface HaproxyRelay extends AsyncDisposable {
  readonly socket: string;
  /** Answers every certificate that is set; null: HAProxy answers. */
  answer: string | null;
  /** The line of commands of each connection so far, without payloads. */
  readonly lines: readonly string[];
}

/**
 * Stands before HAProxy's socket: HAProxy itself repeats less than others that speak its protocol might. And as HAProxy
 * from 3.0 on it takes one line of commands per connection, with a payload that ends at a blank line (management guide
 * §9.3); Debian's HAProxy takes more.
 */
export async function startHaproxyRelay(behind: string, socket: string): Promise<HaproxyRelay> {
  const open = new Set<Socket>();
  const lines: string[] = [];
  const server = createServer({ allowHalfOpen: true }, (client) => {
    open.add(client);
    client.on("error", () => undefined).once("close", () => open.delete(client));
    let sent = "";
    client.on("data", (chunk: Buffer) => {
      sent += chunk.toString();
      const command = oneLine(sent);
      if (command === null) return;
      client.removeAllListeners("data").resume();
      lines.push(command.slice(0, command.indexOf("\n")));
      if (relay.answer !== null && command.startsWith("set ssl cert")) return void client.end(relay.answer);
      const upstream = connect({ path: behind });
      upstream.on("error", () => client.destroy());
      client.once("close", () => upstream.destroy());
      upstream.write(command);
      upstream.pipe(client);
    });
  });
  server.listen(socket);
  await once(server, "listening");
  const relay: HaproxyRelay = {
    socket,
    answer: null,
    lines,
    [Symbol.asyncDispose]() {
      for (const client of open) client.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
  return relay;
}

/** null: more is to come. */
function oneLine(sent: string): string | null {
  const end = sent.indexOf("\n");
  if (end < 0 || !sent.slice(0, end).endsWith(" <<")) return end < 0 ? null : sent.slice(0, end + 1);
  const blank = sent.indexOf("\n\n", end);
  return blank < 0 ? null : sent.slice(0, blank + 2);
}
