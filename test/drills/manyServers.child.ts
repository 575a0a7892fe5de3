// One TLS server for every loopback address, and one that never answers: node manyServers.child.ts CERT KEY. Prints
// their ports; ends with its input and prints the most connections that were open at once.
import { readFileSync } from "node:fs";
import { createServer as createTcpServer, type Server, type Socket } from "node:net";
import { createServer } from "node:tls";

const [, , cert = "", key = ""] = process.argv;
const met = { open: 0, most: 0, handshakes: 0 };

function count(socket: Socket): void {
  met.open += 1;
  met.most = Math.max(met.most, met.open);
  socket.once("close", () => {
    met.open -= 1;
  });
  socket.on("error", () => socket.destroy());
}

const tls = createServer({ cert: readFileSync(cert), key: readFileSync(key) }, (socket) => {
  met.handshakes += 1;
  socket.on("error", () => socket.destroy());
  socket.resume();
  socket.end();
});
tls.on("tlsClientError", () => {});
// It reads, so that it sees when its client has gone.
const silent = createTcpServer((socket) => void socket.resume());
const portOf = (server: Server): Promise<number> =>
  new Promise((resolve) => {
    server.on("connection", count);
    server.listen({ port: 0, host: "0.0.0.0", backlog: 4_096 }, () => {
      const bound = server.address();
      resolve(typeof bound === "object" && bound !== null ? bound.port : 0);
    });
  });

process.stdout.write(`${JSON.stringify({ tls: await portOf(tls), silent: await portOf(silent) })}\n`);
process.stdin.resume().on("end", () => {
  process.stdout.write(`${JSON.stringify({ most: met.most, handshakes: met.handshakes })}\n`);
  process.exit(0);
});
