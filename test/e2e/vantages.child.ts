// Serves a pair over TLS, reading its file at each handshake. Arguments: address, the file, and one that goes before it.
import { existsSync, readFileSync } from "node:fs";
import { createSecureContext, createServer } from "node:tls";

const [address = "", file = "", before = ""] = process.argv.slice(2);

createServer(
  {
    SNICallback: (_name, done) => {
      try {
        const pem = readFileSync(existsSync(before) ? before : file);
        done(null, createSecureContext({ cert: pem, key: pem }));
      } catch (error) {
        done(error instanceof Error ? error : new Error(String(error)));
      }
    },
  },
  (socket) => socket.on("error", () => socket.destroy()).resume(),
)
  .on("tlsClientError", (_error, socket) => socket.destroy())
  .listen(443, address, () => process.stdout.write("listening\n"));
