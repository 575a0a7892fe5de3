import { once } from "node:events";
import { rename } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import { dirname, join } from "node:path";
import { haproxy } from "../../../src/deployers/haproxy/haproxy.ts";
import { deployerConformance } from "../../conformance/deployer.ts";
import { plantFiles } from "../../support/pairs/plantFiles.ts";
import { dependencies } from "../../support/pairs/targetSecrets.ts";
import { startHaproxy } from "../../support/servers/haproxy.ts";
import { servedFingerprint, storedFingerprint } from "../../support/servers/served.ts";

interface Relay {
  readonly socket: string;
  /** Answers every certificate that is set; null: HAProxy answers. */
  answer: string | null;
  stop(): Promise<void>;
}

/** Stands before HAProxy's socket: HAProxy itself repeats less than others that speak its protocol might. */
async function startRelay(behind: string): Promise<Relay> {
  const socket = join(dirname(behind), "relay.sock");
  const open = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (client) => {
    open.add(client);
    client.on("error", () => undefined).once("close", () => open.delete(client));
    client.once("data", (command) => {
      if (relay.answer !== null && command.toString().startsWith("set ssl cert")) return void client.end(relay.answer);
      const upstream = connect({ path: behind });
      upstream.on("error", () => client.destroy());
      client.once("close", () => upstream.destroy());
      upstream.write(command);
      client.pipe(upstream);
      upstream.pipe(client);
    });
  });
  server.listen(socket);
  await once(server, "listening");
  const relay: Relay = {
    socket,
    answer: null,
    stop() {
      for (const client of open) client.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
  return relay;
}

for (const crtList of [false, true]) {
  deployerConformance(`haproxy (${crtList ? "crt-list" : "directory"})`, async () => {
    const server = await startHaproxy({ crtList });
    const relay = await startRelay(server.socket);
    const lost = join(dirname(relay.socket), "away.sock");
    return {
      deployer: haproxy.create(
        haproxy.options.parse({
          socket: relay.socket,
          file: `${server.directory}/{certificate}.pem`,
          timeout: "5s",
          ...(crtList && { crtList: `${server.directory}/.list` }),
        }),
        dependencies("lb"),
      ),
      served: (certificate) => servedFingerprint(server.port, `${certificate}.test`),
      stored: (certificate) => storedFingerprint(join(server.directory, `${certificate}.pem`)),
      plant: (planted) => plantFiles(planted, join(server.directory, "conform.pem")),
      async breakDown() {
        await rename(relay.socket, lost);
        return { code: "deploy.unreachable", mend: () => rename(lost, relay.socket) };
      },
      repeats(text) {
        relay.answer = `Unknown command: '${text}', but maybe one of the following ones is a better match:\n`;
        return () => {
          relay.answer = null;
        };
      },
      async [Symbol.asyncDispose]() {
        await relay.stop();
        await server.stop();
      },
    };
  });
}
