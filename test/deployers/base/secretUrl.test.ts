import { expect, it } from "vitest";
import { z } from "zod";
import { DEPLOYERS, SOLVERS } from "../../support/plugins.ts";

const password = "env:PASSWORD";
const file = "/etc/ssl/{certificate}.pem";
const elsewhere = "lb.example";

/** Options that are right but for where keys and tokens would go. */
const OPTIONS = (scheme: string, host: string): readonly [string, object][] => [
  ["vault", { address: `${scheme}://${host}:8200`, auth: { token: password } }],
  ["haproxy-dataplane", { url: `${scheme}://${host}:5555`, username: "u", password }],
  ["webhook", { url: `${scheme}://${host}/`, secret: password }],
  ["cloudflare", { zone: "0123456789abcdef0123456789abcdef", token: password, endpoint: `${scheme}://${host}/v4` }],
];
const SOCKETS = (host: string): readonly [string, object][] => [
  ["haproxy", { socket: `${host}:9999`, file }],
  ["caddy", { admin: `${host}:2019`, file }],
];

function problemsOf(type: string, options: object): string[] {
  const plugin = DEPLOYERS.find((each) => each.type === type) ?? expect.unreachable(`no deployer ${type}`);
  const parsed = plugin.options.safeParse(options);
  return parsed.success ? [] : parsed.error.issues.map(({ message }) => message);
}

it.each([...OPTIONS("http", elsewhere), ...SOCKETS(elsewhere)])(
  "%s is not reached unencrypted elsewhere",
  (type, options) => {
    expect(problemsOf(type, options)).toEqual([expect.stringMatching(/would send keys and tokens unencrypted/)]);
  },
);

it.each([
  ...OPTIONS("https", elsewhere),
  ...OPTIONS("http", "127.0.0.1"),
  ...OPTIONS("http", "[::1]"),
  ...SOCKETS("localhost"),
  ...SOCKETS("[::1]"),
])("%s is reached over https, or on this machine", (type, options) => {
  expect(problemsOf(type, options)).toEqual([]);
});

/** Every option of every kind that is a URL; `webhook` may send without a key, so its rule is the whole object's. */
const URL_OPTIONS = [...DEPLOYERS, ...SOLVERS].flatMap(({ type, options }) => {
  const { properties = {} } = z.toJSONSchema(options, { io: "input", unrepresentable: "any" });
  return Object.entries(properties).flatMap(([name, schema]) =>
    type !== "webhook" && typeof schema === "object" && schema.format === "uri" ? [{ type, name, options }] : [],
  );
});

it("no kind of target or solver takes a URL that would send its credentials unencrypted elsewhere", () => {
  expect(URL_OPTIONS.length).toBeGreaterThan(30);
  for (const { type, name, options } of URL_OPTIONS) {
    const { error } = options.safeParse({ [name]: `http://${elsewhere}/` });
    const refused = error?.issues.some(({ path, message }) => path[0] === name && /unencrypted|URL/.test(message));
    expect(refused, `${type}: ${name}`).toBe(true);
  }
});
