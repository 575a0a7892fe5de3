import { Client, crypto } from "acme-client";

/** acme-client as its README shows it, without the 5 s that it waits before its first poll otherwise. */
export async function stockClient(directoryUrl: string): Promise<Client> {
  const client = new Client({
    directoryUrl,
    accountKey: await crypto.createPrivateEcdsaKey("P-256"),
    backoffAttempts: 1_000,
    backoffMin: 20,
    backoffMax: 200,
  });
  await client.createAccount({ termsOfServiceAgreed: true });
  return client;
}
