import { once } from "node:events";
import { createServer } from "node:http";
import { expect, it } from "vitest";
import { z } from "zod";
import { defineRestProvider, dnsSolver, relativeName, rest, Secret } from "../../../src/index.ts";
import { challengeOf } from "../../conformance/dnsProvider.ts";
import { solverDependencies } from "../../support/dns/dependencies.ts";

const ZONE = "example.org";

/** What a plug-in outside the package writes: nothing here is from inside `src`. */
const kind = defineRestProvider({
  type: "outside",
  description: "An API of one's own.",
  docs: "https://dns.example/docs",
  base: null,
  secrets: { token: "The API's token." },
  auth: ({ token }) => ({ headers: { authorization: `Bearer ${token}` } }),
  failure: () => null,
  zones: {
    request: () => rest.get("/zones"),
    read: z.array(z.string()).transform((names) => ({ items: names.map((name) => ({ id: name, name })), next: false })),
  },
  model: "record",
  create: {
    request: (zone, { name }, value) =>
      rest.post(rest.path`/zones/${zone.id}`, { name: relativeName(name, zone), value }),
    id: z.object({ id: z.string() }).transform(({ id }) => id),
  },
  remove: (zone, _place, { id }) => rest.remove(rest.path`/zones/${zone.id}/${id}`),
});

it("a DNS provider written outside the package publishes and removes with what the package exports", async () => {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url} ${request.headers.authorization}`);
    response.end(JSON.stringify(request.method === "GET" ? [ZONE] : { id: "7" }));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    const address = server.address();
    if (address === null || typeof address === "string") return expect.unreachable("no port");
    const plugin = dnsSolver(kind);
    const options = plugin.options.parse({
      ...{ endpoint: `http://127.0.0.1:${address.port}`, token: "env:T", follow: "never" },
    });
    const solver = plugin.create(options, solverDependencies({ secret: async () => new Secret("t") }));
    const challenge = challengeOf(`www.${ZONE}`);
    await solver.present(challenge, new AbortController().signal);
    await solver.cleanUp(challenge, new AbortController().signal);
    const bearer = "Bearer t";
    expect(asked).toEqual([
      `GET /zones ${bearer}`,
      `POST /zones/${ZONE} ${bearer}`,
      `DELETE /zones/${ZONE}/7 ${bearer}`,
    ]);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});
