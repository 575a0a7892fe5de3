import { rename } from "node:fs/promises";
import { join } from "node:path";
import { haproxy } from "../../../src/deployers/haproxy/haproxy.ts";
import { deployerConformance } from "../../conformance/deployer.ts";
import { plantFiles } from "../../support/pairs/plantFiles.ts";
import { dependencies } from "../../support/pairs/targetSecrets.ts";
import { startHaproxy } from "../../support/servers/haproxy.ts";
import { servedFingerprint, storedFingerprint } from "../../support/servers/served.ts";

for (const crtList of [false, true]) {
  deployerConformance(`haproxy (${crtList ? "crt-list" : "directory"})`, async () => {
    const server = await startHaproxy({ crtList });
    const lost = join(server.directory, ".away");
    return {
      deployer: haproxy.create(
        haproxy.options.parse({
          socket: server.socket,
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
        await rename(server.socket, lost);
        return { code: "deploy.unreachable", mend: () => rename(lost, server.socket) };
      },
      [Symbol.asyncDispose]: () => server.stop(),
    };
  });
}
