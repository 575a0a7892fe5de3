import type { Secret } from "../../../src/domain/secret.ts";
import type { Store } from "../../../src/domain/store.ts";
import { thumbprint } from "../../../src/x509/jwk.ts";
import { generateKey } from "../../../src/x509/key.ts";

/** An ACME account with a real key; a challenge answer is served only with the thumbprint of one. */
export async function createAccount(
  store: Pick<Store, "accounts">,
): Promise<{ readonly key: Secret; readonly thumbprint: string }> {
  const { privateKey } = await store.accounts.create("ca", "https://ca.example/dir", await generateKey("ecdsa-p256"));
  return { key: privateKey, thumbprint: thumbprint(privateKey) };
}
