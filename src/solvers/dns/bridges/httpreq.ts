import { z } from "zod";
import { RenewalError } from "../../../domain/errors.ts";
import { CLEAR_TEXT_REFUSED, isClearText } from "../../../domain/loopback.ts";
import { secretOption } from "../options.ts";
import type { DnsProviderKind } from "../provider.ts";
import { callHttp, codeOfStatus, retryAtOf } from "../rest/http.ts";
import { quote } from "../rest/quote.ts";
import { hasDomain, MODES, rawAnswer } from "./raw.ts";
import { anyZone } from "./script.ts";

const options = z.strictObject({
  endpoint: z
    .url({ protocol: /^https?$/ })
    .refine((text) => !isClearText(text), CLEAR_TEXT_REFUSED)
    .describe("Address of the server: it answers POST /present and /cleanup below it."),
  user: z.string().min(1).max(255).optional().describe("Name for Basic authentication."),
  password: secretOption.optional().describe("Password for Basic authentication."),
  mode: z
    .enum(MODES)
    .default("default")
    .describe(
      "`raw`, as lego's `HTTPREQ_MODE=RAW`: the body has `domain`, `token` and `keyAuth` instead of `fqdn` and `value`.",
    ),
});

type HttpreqOptions = z.infer<typeof options>;

/** lego's `httpreq` contract in both modes; any 2xx means that it is done. */
export const httpreq: DnsProviderKind<HttpreqOptions> = {
  type: "httpreq",
  description: "Your own HTTP service, by the contract of lego's `httpreq` provider.",
  docs: "https://go-acme.github.io/lego/dns/httpreq/",
  options,
  traits: {},
  create({ endpoint, user, password, mode }, { solver, secret, turn, now }) {
    const isRaw = mode === "raw";
    const call = async (action: "present" | "cleanup", message: object, signal: AbortSignal) => {
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
      const body = JSON.stringify(message);
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
        ...(isRaw && { takesKeyAuthorization: true }),
        async create(_zone, { name, keyAuthorization }, value, signal) {
          await call("present", isRaw ? rawAnswer(name, keyAuthorization) : { fqdn: `${name}.`, value }, signal);
          return isRaw ? (keyAuthorization ?? null) : null;
        },
        async remove(_zone, { name }, { value, id }, signal) {
          if (!isRaw) return call("cleanup", { fqdn: `${name}.`, value }, signal);
          if (hasDomain(name)) await call("cleanup", rawAnswer(name, id), signal);
        },
      },
    };
  },
};
