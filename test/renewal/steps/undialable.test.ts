// An address that cannot be dialled from here, while a renewal is verified.
import { expect, it } from "vitest";
import type { Endpoint } from "../../../src/domain/endpoint.ts";
import { verify } from "../../../src/renewal/steps/verify.ts";
import { modelCertificate, NO_SIGNAL, Workbench } from "../../support/model/workbench.ts";

it("an endpoint without any other address is not proved, and the message names no time that nobody waited", async () => {
  await using bench = await Workbench.open([modelCertificate("www")]);
  await bench.begin();
  await bench.work("verify");
  const { store, context } = bench;
  const problem = { code: "verify.undialable", message: "cannot be dialled from here" };
  const observe = async ({ port, sni }: Endpoint, address: string) => ({
    ...{ address, port, sni, at: bench.now, durationMs: 1, served: null, problem },
  });
  const { id } = await bench.renewal("www");
  await verify(
    { ...context, probe: { ...context.probe, addresses: async () => ["2001:db8::1"], observe } },
    id,
    NO_SIGNAL,
  );
  const events = await store.events.list({ types: ["verify.stale", "verify.converged"], limit: 9 });
  const message = "2001:db8::1: cannot be dialled from here";
  expect(events.map(({ type, detail }) => [type, detail.message])).toEqual([
    ["verify.stale", message],
    ["verify.stale", message],
  ]);
});
