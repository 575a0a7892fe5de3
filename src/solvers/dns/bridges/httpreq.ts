import { z } from "zod";
import { RenewalError } from "../../../domain/errors.ts";
import { CLEAR_TEXT_REFUSED, isClearText } from "../../../domain/loopback.ts";
import { secretOption } from "../options.ts";
import type { DnsProviderKind } from "../provider.ts";
import { callHttp, codeOfStatus, retryAtOf } from "../rest/http.ts";
import { quote } from "../rest/quote.ts";
import { anyZone } from "./script.ts";

const options = z.strictObject({
  endpoint: z
    .url({ protocol: /^https?$/ })
    .refine((text) => !isClearText(text), CLEAR_TEXT_REFUSED)
    .describe("Address of the server: it answers POST /present and /cleanup below it."),
  user: z.string().min(1).max(255).optional().describe("Name for Basic authentication."),
  password: secretOption.optional().describe("Password for Basic authentication."),
});

type HttpreqOptions = z.infer<typeof options>;

/** lego's `httpreq` contract in its default mode; any 2xx means that it is done. */
export const httpreq: DnsProviderKind<HttpreqOptions> = {
  type: "httpreq",
  description: "Your own HTTP service, by the contract of lego's `httpreq` provider.",
  docs: "https://go-acme.github.io/lego/dns/httpreq/",
  options,
  traits: {},
  create({ endpoint, user, password }, { solver, secret, turn, now }) {
    const call = async (action: "present" | "cleanup", name: string, value: string, signal: AbortSignal) => {
      const secrets = password === undefined ? [] : [await secret(password)];
      const [key] = secrets;
      const credentials = Buffer.from(`${user ?? ""}:${key?.reveal() ?? ""}`).toString("base64");
      const what = `httpreq (solver ${solver})`;
      const url = new URL(`${endpoint.replace(/\/+$/, "")}/${action}`);
      const headers = {
        "content-type": "application/json",
        accept: "application/json",
        ...(key !== undefined && { authorization: `Basic ${credentials}` }),
      };
      const body = JSON.stringify({ fqdn: `${name}.`, value });
      await turn(signal);
      const reply = await callHttp({ what, method: "POST", url, headers, body, secrets }, signal);
      const { status, text } = reply;
      if (status >= 200 && status < 300) return;
      const said = quote(text, secrets);
      const retryAt = retryAtOf(reply, now());
      throw new RenewalError(
        codeOfStatus(status),
        `${what}: POST /${action} answered ${status}${said === "" ? "" : `: ${said}`}`,
        retryAt === null ? {} : { retryAt },
      );
    };
    return {
      zones: async (name) => anyZone(name),
      txt: {
        model: "record",
        async create(_zone, { name }, value, signal) {
          await call("present", name, value, signal);
          return null;
        },
        remove: (_zone, { name }, { value }, signal) => call("cleanup", name, value, signal),
      },
    };
  },
};
