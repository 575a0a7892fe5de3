import { readdir, readFile } from "node:fs/promises";
import { Client } from "acme-client";
import { expect, it } from "vitest";
import { newKeyPem } from "../support/ca/pki.ts";

const SRC = new URL("../../src/", import.meta.url);

/** A client as acme-client makes it, before renewd patches it. */
function freshHttp(): Record<string, unknown> {
  const accountKey = newKeyPem("ecdsa-p256");
  const client: object = new Client({ directoryUrl: "https://ca.example/dir", accountKey });
  const http: unknown = Reflect.get(client, "http");
  if (typeof http !== "object" || http === null) throw new Error("acme-client's Client has no member `http` any more");
  return new Proxy({}, { get: (_target, name) => Reflect.get(http, name, http) });
}

it.each([
  ["accountKey", "object"],
  ["externalAccountBinding", "object"],
  ["maxBadNonceRetries", "number"],
  ["request", "function"],
  ["getDirectory", "function"],
  ["getNonce", "function"],
  ["signedRequest", "function"],
])("acme-client's HTTP client has the private member %s, a %s, which session.ts replaces or calls", (name, type) => {
  expect(typeof freshHttp()[name]).toBe(type);
});

it("acme-client signs with the members that session.ts replaces, and with their arguments", async () => {
  const client: object = new Client({ directoryUrl: "https://ca.example/dir", accountKey: newKeyPem("ecdsa-p256") });
  const http: { [member: string]: unknown } = Reflect.get(client, "http");
  const calls: unknown[] = [];
  http.getNonce = async () => {
    calls.push("getNonce");
    return "a-nonce";
  };
  http.request = async (url: string, method: string, options: { data: { protected: string } }) => {
    const header: unknown = JSON.parse(Buffer.from(options.data.protected, "base64url").toString());
    calls.push([url, method, header]);
    return { status: 200, headers: {}, data: {} };
  };
  const signed: unknown = Reflect.get(http, "signedRequest");
  if (typeof signed !== "function") return expect.unreachable();
  const options = { kid: "https://ca.example/acct/1", includeExternalAccountBinding: false };
  expect(await signed.call(http, "https://ca.example/order", {}, options)).toMatchObject({ status: 200 });
  const header = { alg: "ES256", nonce: "a-nonce", kid: options.kid, url: "https://ca.example/order" };
  expect(calls).toEqual(["getNonce", ["https://ca.example/order", "post", header]]);
});

it("no other file imports acme-client", async () => {
  const importing: string[] = [];
  for (const file of await readdir(SRC, { recursive: true })) {
    if (file.endsWith(".ts") && /from "acme-client"/.test(await readFile(new URL(file, SRC), "utf8")))
      importing.push(file);
  }
  expect(importing).toEqual(["acme/session.ts"]);
});
