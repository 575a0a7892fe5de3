import { z } from "zod";
import { isLoopback } from "../../domain/loopback.ts";
import { httpreqSchema } from "./httpreq.ts";

const path = z.string().min(1, "must name a file");

export const WEB_PORT = 8_280;

/** Pages, API and metrics. What is sent there steers renewd, so clear text over a network is said aloud. */
export const webSchema = z
  .strictObject({
    enabled: z
      .boolean()
      .default(true)
      .describe("Whether `renewd run` serves pages, API and metrics; `renewd worker web` always does."),
    host: z.string().min(1).default("127.0.0.1").describe("Address to listen on. `::` is every address."),
    port: z
      .int()
      .min(1)
      .max(65_535)
      .optional()
      .describe(`Port to listen on. Default: ${WEB_PORT}, or the next free one.`),
    url: z
      .url({ protocol: /^https?$/, error: "must be a URL such as https://renewd.example.org" })
      .transform((text) => text.replace(/\/+$/, ""))
      .refine((text) => URL.parse(text)?.pathname === "/", "must be a URL without a path")
      .optional()
      .describe(
        "Where people reach it when that is another address, such as a proxy's. Requests for its host are answered.",
      ),
    tls: z
      .strictObject({
        certificate: path.describe("File with the certificate and its chain in PEM; read again when it changes."),
        key: path.describe("File with its private key in PEM."),
      })
      .optional()
      .describe("Serve over TLS. A `files` target of renewd may keep the two files."),
    insecure: z
      .boolean()
      .default(false)
      .describe(
        "Serve in clear text to other machines: only behind a proxy that ends TLS, or on a network of your own.",
      ),
    metrics: z
      .strictObject({
        withoutToken: z.boolean().default(false).describe("Serve `/metrics` to everybody who can connect."),
      })
      .prefault({})
      .describe("Metrics for Prometheus at `/metrics`."),
    httpreq: httpreqSchema,
  })
  .superRefine(({ host, tls, insecure }, context) => {
    if (tls === undefined && !insecure && !isLoopback(host))
      context.addIssue({
        code: "custom",
        path: ["host"],
        message: `${host} is reachable from other machines: set \`web.tls\`, or \`web.insecure: true\` where a proxy ends TLS`,
      });
  });
