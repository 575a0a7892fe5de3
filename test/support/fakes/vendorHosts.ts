// Vendors' SDKs insist on their own host names and on verified TLS. So that a fake is reached just like the real
// service, every connection goes through a proxy that ends at the fake, and the fake's CA is trusted, both only in this
// process.
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { type ApiFake, startTunnel } from "./api.ts";

const VARIABLES = ["HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"] as const;

/** Trusts the fake's CA in this process until disposed, for a client that can be told the fake's address but no CA. */
export function trustFake(fake: ApiFake): Disposable {
  const trusted = getCACertificates("default");
  setDefaultCACertificates([...trusted, fake.ca ?? ""]);
  return { [Symbol.dispose]: () => setDefaultCACertificates(trusted) };
}

/** Until disposed. One at a time in a process: the proxy is an environment variable. */
export async function standInForVendor(fake: ApiFake): Promise<AsyncDisposable> {
  const tunnel = await startTunnel(fake.port);
  const before = Object.fromEntries(VARIABLES.map((name) => [name, process.env[name]]));
  for (const name of VARIABLES) delete process.env[name];
  process.env.HTTPS_PROXY = tunnel.url;
  const trust = trustFake(fake);
  return {
    async [Symbol.asyncDispose]() {
      for (const name of VARIABLES) {
        const value = before[name];
        if (value === undefined) delete process.env[name];
        else process.env[name] = value;
      }
      trust[Symbol.dispose]();
      await tunnel[Symbol.asyncDispose]();
    },
  };
}
