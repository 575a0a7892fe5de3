import { z } from "zod";
import { checkHostAndPort } from "./endpoints.ts";
import { secretReference } from "./secretReference.ts";

const URL_ADVICE =
  "must be redis://host:port or rediss://host:port (TLS), without user or password: those are keys of their own";

const node = z.string().transform((text, context) => {
  const checked = checkHostAndPort(text, null);
  if ("value" in checked) return checked.value;
  context.addIssue({ code: "custom", message: checked.problem });
  return z.NEVER;
});

export const redisSchema = z
  .strictObject({
    // Never echoed and never kept: an operator may have put the password here.
    url: z
      .string()
      .refine(isPlainRedisUrl, URL_ADVICE)
      .optional()
      .describe("One Redis: `redis://host:port` or `rediss://host:port`, with `/1` for a database number."),
    path: z.string().min(1).optional().describe("One Redis behind a unix socket."),
    sentinels: z.array(node).min(1).max(32).optional().describe("Sentinels as `host:port`; needs `name`."),
    name: z.string().min(1).optional().describe("Name of the master group the Sentinels watch."),
    sentinelUsername: z.string().min(1).optional().describe("ACL user at the Sentinels; needs `sentinelPassword`."),
    sentinelPassword: secretReference.optional().describe("Reference to the Sentinels' own password."),
    cluster: z.array(node).min(1).max(128).optional().describe("Some nodes of a Redis Cluster as `host:port`."),
    username: z.string().min(1).optional().describe("ACL user."),
    password: secretReference.optional().describe("Reference to the password."),
    tls: z.boolean().optional().describe("TLS to Sentinels or Cluster nodes; for one Redis write `rediss://`."),
    trust: z
      .string()
      .min(1)
      .optional()
      .describe("PEM file of the CAs that sign Redis' TLS certificate. Default: those of the system and of Node."),
    certificate: z
      .string()
      .min(1)
      .optional()
      .describe("PEM file of the client certificate, with its chain, for a Redis that asks for one; needs `key`."),
    key: secretReference.optional().describe("Reference to the client certificate's key in PEM."),
    prefix: z
      .string()
      .regex(/^[A-Za-z0-9_{}.-]{1,64}$/, "must be 1 to 64 of A-Z, a-z, 0-9, dot, underscore, hyphen and braces")
      .default("{renewd}")
      .describe(
        "Prefix of every key; several renewds share a Redis by differing here. Braces keep a Cluster's keys together.",
      ),
  })
  .superRefine((redis, context) => {
    const places = (["url", "path", "sentinels", "cluster"] as const).filter((key) => redis[key] !== undefined);
    const [first, second] = places;
    if (first === undefined)
      context.addIssue({
        code: "custom",
        message: "needs one of url, path, sentinels and cluster; leave `redis` out for a private Redis",
      });
    if (second !== undefined)
      context.addIssue({
        code: "custom",
        path: [second],
        message: `cannot be used beside ${first}: choose one of url, path, sentinels and cluster`,
      });
    const only = (key: "name" | "sentinelUsername" | "sentinelPassword" | "tls", needs: readonly string[]): void => {
      if (redis[key] !== undefined && first !== undefined && !needs.includes(first)) {
        context.addIssue({ code: "custom", path: [key], message: `belongs to ${needs.join(" or ")} only` });
      }
    };
    only("name", ["sentinels"]);
    only("sentinelUsername", ["sentinels"]);
    only("sentinelPassword", ["sentinels"]);
    only("tls", ["sentinels", "cluster"]);
    if (first === "sentinels" && redis.name === undefined)
      context.addIssue({ code: "custom", message: "needs name, the master group the Sentinels watch" });
    for (const key of ["trust", "certificate", "key"] as const) {
      if (redis[key] !== undefined && !redis.tls && !redis.url?.startsWith("rediss:"))
        context.addIssue({
          code: "custom",
          path: [key],
          message: "has no effect without TLS: write rediss:// or tls: true",
        });
    }
    const together = (
      key: "certificate" | "key" | "sentinelUsername",
      other: "certificate" | "key" | "sentinelPassword",
    ): void => {
      if (redis[key] !== undefined && redis[other] === undefined)
        context.addIssue({ code: "custom", path: [key], message: `needs ${other}` });
    };
    together("certificate", "key");
    together("key", "certificate");
    together("sentinelUsername", "sentinelPassword");
    if (first === "cluster" && !/\{[^{}]+\}/.test(redis.prefix)) {
      context.addIssue({
        code: "custom",
        path: ["prefix"],
        message: "needs a part in braces, as in {renewd}: a Cluster must keep the keys of a queue in one slot",
      });
    }
  })
  .meta({ oneOf: ["url", "path", "sentinels", "cluster"].map((key) => ({ required: [key] })) })
  .describe("The Redis that holds the queues. Left out: renewd starts a private one in `dataDir`.");

export type RedisSection = z.output<typeof redisSchema>;

function isPlainRedisUrl(text: string): boolean {
  if (!/^rediss?:\/\/[^/]/.test(text) || !URL.canParse(text)) return false;
  const url = new URL(text);
  return (
    url.username === "" &&
    url.password === "" &&
    url.search === "" &&
    url.hash === "" &&
    /^(\/\d{0,4})?$/.test(url.pathname)
  );
}
