// In a network of its own, whose one name server says nothing about some names. Prints who was answered in which order.
import { systemResolve } from "../../src/domain/systemResolve.ts";
import { startNameServer } from "../support/dns/nameServer.ts";

const ADDRESS = "127.0.0.1";
const LIVE = ["live0.example.org", "live1.example.org", "live2.example.org"];
/** More than there are threads. */
const DEAD = Array.from({ length: 6 }, (_, index) => `dead${index}.example.org`);

await using server = await startNameServer(
  ["example.org", "cluster.test"],
  [...LIVE, "half.example.org", "service.namespace.cluster.test"].map((name) => ({
    name,
    type: "A",
    data: "192.0.2.1",
  })),
  { address: ADDRESS, port: 53 },
);
server.fault = { silentAbout: /dead|known/, failsAt: /^AAAA half|service\.namespace$/ };
const outcomes: string[] = [];
const look = async (name: string): Promise<void> => {
  const found = await systemResolve(name).then(String, (error: NodeJS.ErrnoException) => String(error.code));
  outcomes.push(`${name.replace(/\d/, "")} ${found}`);
};
await Promise.all(
  [...DEAD, ...LIVE, "known.example.org", "none.example.org", "half.example.org", "service.namespace"].map(look),
);
console.log(JSON.stringify(outcomes));
