// Vendors' SDKs insist on their own host names and on verified TLS. So that a fake is reached just like the real service, every
// connection goes through a proxy that ends at the fake, and the fake's CA is trusted, both only in this process.
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { type ApiFake, startTunnel } from "./apiFake.ts";

const VARIABLES = ["HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"] as const;

/** Until disposed. One at a time in a process: the proxy is an environment variable. */
export async function standInForVendor(fake: ApiFake): Promise<AsyncDisposable> {
  const tunnel = await startTunnel(fake.port);
  const before = Object.fromEntries(VARIABLES.map((name) => [name, process.env[name]]));
  const trusted = getCACertificates("default");
  for (const name of VARIABLES) delete process.env[name];
  process.env.HTTPS_PROXY = tunnel.url;
  setDefaultCACertificates([...trusted, fake.ca ?? ""]);
  return {
    async [Symbol.asyncDispose]() {
      for (const name of VARIABLES) {
        const value = before[name];
        if (value === undefined) delete process.env[name];
        else process.env[name] = value;
      }
      setDefaultCACertificates(trusted);
      await tunnel[Symbol.asyncDispose]();
    },
  };
}
