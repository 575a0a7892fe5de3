import { expect, it } from "vitest";
import { examineDns } from "../../../src/solvers/dns/health.ts";
import { createLookup } from "../../../src/solvers/dns/lookup.ts";
import { startBind } from "../../support/servers/nameServers.ts";

it("a zone whose signatures are over is refused as a validating resolver refuses it, and a sound one is not", async () => {
  const [good, bad] = ["sound.example", "broken.example"];
  const records = ["www A 127.0.0.1"];
  await using sound = await startBind({ zone: good, records, signatures: "sound" });
  await using broken = await startBind({ zone: bad, records, signatures: "expired" });
  await using resolver = await startBind({
    ...{ zone: "resolver.example", recursion: true },
    validates: [
      { zone: good, anchor: sound.anchor, port: sound.port },
      { zone: bad, anchor: broken.anchor, port: broken.port },
    ],
  });
  const concernsOf = (name: string, port: number) => {
    const lookup = createLookup({ resolvers: [{ kind: "dns", address: "127.0.0.1", port: resolver.port }], port });
    return examineDns(lookup, name, AbortSignal.timeout(30_000));
  };
  expect(await concernsOf(`www.${good}`, sound.port)).toEqual([]);
  expect(await concernsOf(`www.${bad}`, broken.port)).toEqual([
    {
      check: "dnssec",
      message:
        "the DNSSEC signatures of www.broken.example are broken (SOA): " + "resolvers that check them answer SERVFAIL",
      fatal: true,
    },
  ]);
  // A server of the zone itself says nothing of signatures.
  const direct = createLookup({
    ...{ resolvers: [{ kind: "dns", address: "127.0.0.1", port: broken.port }], port: broken.port },
  });
  expect(await examineDns(direct, `www.${bad}`, AbortSignal.timeout(30_000))).toEqual([]);
}, 60_000);
