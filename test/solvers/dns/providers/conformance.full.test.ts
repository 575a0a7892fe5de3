// Every provider as data, behind the engine: what any DNS solver promises.
import { Secret } from "../../../../src/domain/secret.ts";
import { SOLVERS } from "../../../../src/solvers/index.ts";
import { describeDnsSolver } from "../../../conformance/dnsProvider.ts";
import { solverDependencies } from "../../../support/dns/dependencies.ts";
import { RECORD_DIALECTS } from "../../../support/fakes/dns/recordApis.ts";
import { RPC_DIALECTS } from "../../../support/fakes/dns/rpcApis.ts";
import { RRSET_DIALECTS } from "../../../support/fakes/dns/rrsetApis.ts";
import { SIGNED_DIALECTS } from "../../../support/fakes/dns/signedApis.ts";
import { add, type Dialect, startDnsFake, values, ZONE } from "../../../support/fakes/dns/world.ts";
import { namecheap } from "../../../support/fakes/dns/zoneApis.ts";
import { writtenFor } from "./underTest.ts";

const DIALECTS: Readonly<Record<string, Dialect>> = {
  ...{ ...RECORD_DIALECTS, ...RRSET_DIALECTS, ...SIGNED_DIALECTS, namecheap, inwx: RPC_DIALECTS.inwx },
};
/** Their rates make each of these tests last for a minute; they are of the same models as others here. */
const SLOW = ["desec", "hetzner", "infomaniak"];

for (const [type, dialect] of Object.entries(DIALECTS).filter(([name]) => !SLOW.includes(name))) {
  describeDnsSolver(type, async () => {
    const fake = await startDnsFake(dialect);
    const plugin = SOLVERS.find((one) => one.type === type);
    if (plugin === undefined) throw new Error(`no solver ${type}`);
    const { written, secrets } = writtenFor(type, fake.origin);
    const options = plugin.options.parse({ ...written, follow: "never", propagation: { check: "none" } });
    const secret = async ({ at }: { readonly at: string }) => new Secret(secrets[at] ?? "no such secret");
    return {
      zone: ZONE,
      solver: ({ dns }) => plugin.create(options, solverDependencies({ dns, secret })),
      values: async (name) => values(fake.world, name),
      async occupy(name, value) {
        const zone = fake.world.zones.find((one) => one.name === ZONE);
        if (zone !== undefined) add(fake.world, zone, { name, type: "TXT", value, ttl: 3600 });
      },
      // The fake acts, and cuts the connection.
      loseAnswer: type === "inwx" ? null : () => fake.disturb(/^(POST|PUT|PATCH) /, "reset"),
      [Symbol.asyncDispose]: () => fake.stop(),
    };
  });
}
