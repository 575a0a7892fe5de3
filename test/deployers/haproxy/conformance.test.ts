import { rename } from "node:fs/promises";
import { dirname, join } from "node:path";
import { haproxy } from "../../../src/deployers/haproxy/haproxy.ts";
import { deployerConformance } from "../../conformance/deployer.ts";
import { plantFiles } from "../../support/pairs/plantFiles.ts";
import { dependencies } from "../../support/pairs/targetSecrets.ts";
import { startHaproxy } from "../../support/servers/haproxy.ts";
import { startHaproxyRelay } from "../../support/servers/haproxyRelay.ts";
import { servedFingerprint, storedFingerprint } from "../../support/servers/served.ts";

for (const crtList of [false, true]) {
  deployerConformance(`haproxy (${crtList ? "crt-list" : "directory"})`, async () => {
    const server = await startHaproxy({ crtList });
    const relay = await startHaproxyRelay(server.socket, join(dirname(server.socket), "relay.sock"));
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
        await relay[Symbol.asyncDispose]();
        await server.stop();
      },
    };
  });
}
