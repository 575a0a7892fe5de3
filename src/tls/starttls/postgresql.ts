import { notOffered, type StartTls } from "./wire.ts";

/** SSLRequest of the frontend/backend protocol: its length, then a number that no protocol version has. */
const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]);

/** Every release answers it; only PostgreSQL 17 and later also accept TLS from the start. */
export const postgresql: StartTls = async (wire) => {
  wire.write(SSL_REQUEST);
  const answer = (await wire.bytes(1)).toString("latin1");
  if (answer !== "S") throw notOffered("postgresql", answer);
};
