import { createPublicKey, generateKeyPairSync, X509Certificate } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { KEY_TYPES, type KeyType } from "../../src/domain/certificate.ts";
import { RenewalError } from "../../src/domain/errors.ts";
import type { IssueRequest, IssueResult, OwnCsr } from "../../src/domain/issuer.ts";
import { Secret } from "../../src/domain/secret.ts";
import { type MadeCsr, makeCsr } from "../support/ca/ownCsr.ts";
import { newKeyPem } from "../support/ca/pki.ts";
import { type MemoryProgress, memoryProgress } from "../support/model/orderMemory.ts";
import { type CaFixture, request, running, startCa } from "./caFixture.ts";

let ca: CaFixture;
beforeAll(async () => {
  ca = await startCa({ env: { PEBBLE_AUTHZREUSE: "0" } });
});
afterAll(() => ca[Symbol.asyncDispose]());

function found({ pem, keyPem }: MadeCsr): OwnCsr {
  return { request: Buffer.from(pem), privateKey: new Secret(keyPem) };
}

function wanting(names: readonly string[], ownCsr: IssueRequest["ownCsr"], keyType?: KeyType): IssueRequest {
  return { ...request(names, keyType), ownCsr: ownCsr ?? null };
}

function order(wanted: IssueRequest, progress: MemoryProgress = memoryProgress()): Promise<IssueResult> {
  return ca.issuer().issue(wanted, progress, ca.solvers, running());
}

/** The requests that finalized an order, as the CA got them. */
function finalized(since = 0): unknown[] {
  // renewd sends objects only.
  const csrs = ca.proxy.requests.slice(since).map(({ payload }) => (payload as { csr?: unknown } | null)?.csr);
  return [...new Set(csrs.filter((csr) => csr !== undefined))];
}

function holdsKey({ leafPem, privateKey }: IssueResult, keyPem: string): boolean {
  const leaf = new X509Certificate(leafPem);
  return leaf.publicKey.equals(createPublicKey(keyPem)) && createPublicKey(privateKey.reveal()).equals(leaf.publicKey);
}

describe("an order with a request made elsewhere", () => {
  it.each(KEY_TYPES)("is finalized with exactly that one, and delivers a pair with its %s key", async (keyType) => {
    const names = [`${keyType}.own.example`, `www.${keyType}.own.example`];
    const made = await makeCsr({ names, commonName: names[0] ?? "", keyType });
    const since = ca.proxy.requests.length;
    const progress = memoryProgress();
    const result = await order(
      wanting(names.toReversed(), async () => ({ ...found(made), request: made.der }), keyType),
      progress,
    );
    expect(finalized(since)).toEqual([made.der.toString("base64url")]);
    expect(holdsKey(result, made.keyPem)).toBe(true);
    expect(progress.state).toMatchObject({ csr: made.der.toString("base64url"), privateKey: result.privateKey });
  });

  it("hands targets the key as PKCS#8, however it was written", async () => {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const made = await makeCsr({
      names: ["sec1.own.example"],
      keyPem: privateKey.export({ type: "sec1", format: "pem" }).toString(),
    });
    const result = await order(wanting(["sec1.own.example"], async () => found(made)));
    expect(result.privateKey.reveal()).toBe(privateKey.export({ type: "pkcs8", format: "pem" }));
  });

  it("may be repeated with the same request, and follows a new one", async () => {
    const name = "repeated.own.example";
    let made = await makeCsr({ names: [name] });
    const wanted = wanting([name], async () => found(made));
    const first = await order(wanted);
    const second = await order(wanted);
    expect(second.leaf.serial).not.toBe(first.leaf.serial);
    expect([first, second].map((result) => holdsKey(result, made.keyPem))).toEqual([true, true]);
    const before = made;
    made = await makeCsr({ names: [name] });
    const third = await order(wanted);
    expect([before, made].map(({ keyPem }) => holdsKey(third, keyPem))).toEqual([false, true]);
  });
});

class Crash extends Error {}

describe("an attempt that ends with a request made elsewhere", () => {
  // As every order: key and order URL, challenge presented, CSR, finalized.
  it.each(
    [1, 2, 3, 4].flatMap((save) => [{ when: "beforeSave", save } as const, { when: "afterSave", save } as const]),
  )(
    "$when $save is taken up by the next; what was saved goes before other files that lie there since",
    async ({ when, save }) => {
      const name = `${when}-${save}.own.example`.toLowerCase();
      const [first, second] = [await makeCsr({ names: [name] }), await makeCsr({ names: [name] })];
      const progress = memoryProgress();
      progress[when] = (current) => {
        if (current === save) throw new Crash();
      };
      await expect(
        order(
          wanting([name], async () => found(first)),
          progress,
        ),
      ).rejects.toThrow(Crash);
      progress[when] = null;
      const saved = progress.state.csr !== null;
      expect(saved).toBe(save > 3 || (save === 3 && when === "afterSave"));
      let asked = 0;
      const result = await order(
        wanting([name], async () => {
          asked += 1;
          return found(second);
        }),
        progress,
      );
      expect(asked).toBe(saved ? 0 : 1);
      expect(holdsKey(result, (saved ? first : second).keyPem)).toBe(true);
      expect(progress.abandoned).toEqual([]);
    },
  );

  it("goes on with the saved request in a new order when the CA lost the first", async () => {
    const name = "lost.own.example";
    const made = await makeCsr({ names: [name] });
    const progress = memoryProgress();
    const first = await order(
      wanting([name], async () => found(made)),
      progress,
    );
    progress.state = { ...progress.state, orderUrl: `${progress.state.orderUrl}x` };
    const gone = wanting([name], async () => {
      throw new RenewalError("acme.ownCsr", "the files are gone");
    });
    const issuer = ca.issuer();
    const again = () => issuer.issue(gone, progress, ca.solvers, running());
    // Pebble's bare 404 counts when it repeats.
    await expect(again()).rejects.toMatchObject({ code: "acme.server" });
    const second = await again();
    expect(progress.abandoned).toEqual(["the CA no longer knows the order"]);
    expect(second.leaf.serial).not.toBe(first.leaf.serial);
    expect(holdsKey(second, made.keyPem)).toBe(true);
  });

  it("never finalizes an order for other names with what was saved", async () => {
    const made = await makeCsr({ names: ["before.own.example"] });
    const progress = memoryProgress();
    await order(
      wanting(["before.own.example"], async () => found(made)),
      progress,
    );
    const since = ca.proxy.requests.length;
    const changed = order(
      wanting(["after.own.example"], async () => found(made)),
      progress,
    );
    await expect(changed).rejects.toMatchObject({ code: "acme.ownCsr" });
    expect(ca.proxy.requests.length).toBe(since);
  });
});

describe("a request made elsewhere is refused before anything is sent to the CA", () => {
  const NAME = "refused.own.example";
  type Case = [string, () => Promise<OwnCsr>, string, Partial<IssueRequest>?];
  const csr = (options: Partial<Parameters<typeof makeCsr>[0]> = {}) => makeCsr({ names: [NAME], ...options });

  it.each<Case>([
    [
      "whose file holds something else",
      async () => ({ ...found(await csr()), request: Buffer.from("Dear CA,") }),
      "csr.file: holds no certificate signing request",
    ],
    [
      "whose file holds the key",
      async () => {
        const { keyPem } = await csr();
        return { request: Buffer.from(keyPem), privateKey: new Secret(keyPem) };
      },
      "csr.file: holds no certificate signing request",
    ],
    [
      "with two in its file",
      async () => {
        const made = found(await csr());
        return { ...made, request: Buffer.concat([made.request, made.request]) };
      },
      "csr.file: holds no certificate signing request, or more than one",
    ],
    [
      "that was altered after it was signed",
      async () => {
        const made = await csr();
        const altered = Buffer.from(made.der);
        altered.write("Fxample", made.der.indexOf("Example"));
        return { ...found(made), request: altered };
      },
      "csr.file: the request's signature is not by its own key",
    ],
    [
      "signed with SHA-1",
      async () => found(await csr({ keyType: "rsa-2048", digest: "sha1" })),
      "csr.file: the request's signature cannot be verified",
      { keyType: "rsa-2048" },
    ],
    [
      "for fewer names",
      async () => found(await csr({ names: ["other.own.example"] })),
      `it lacks ${NAME}; it also asks for other.own.example. Create a new request`,
    ],
    [
      "for more names",
      async () => found(await csr({ names: [NAME, "a.own.example", "192.0.2.7"] })),
      "it also asks for a.own.example, 192.0.2.7.",
    ],
    [
      "for many more names",
      async () => found(await csr({ names: [NAME, ...Array.from({ length: 9 }, (_, i) => `n${i}.own.example`)] })),
      "n4.own.example and 4 more.",
    ],
    [
      "without subject alternative names",
      async () => found(await csr({ names: [], commonName: NAME })),
      `it lacks ${NAME}; it has outside its subject`,
    ],
    [
      "with a common name besides",
      async () => found(await csr({ commonName: "cn.own.example" })),
      "it has outside its subject alternative names the common name cn.own.example.",
    ],
    [
      "with a mail address",
      async () => found(await csr({ names: [NAME, "email:tls@own.example"] })),
      "it asks for 1 that is neither DNS name nor IP address.",
    ],
    [
      "of another key type",
      async () => found(await csr({ keyType: "ecdsa-p384" })),
      "csr.file: the request's key is ecdsa-p384, but `keyType` is ecdsa-p256",
    ],
    [
      "of a type no CA takes",
      async () =>
        found(
          await csr({
            keyPem: generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
          }),
        ),
      "csr.file: the request's key is none of rsa-2048",
    ],
    [
      "with must-staple",
      async () => found(await csr({ mustStaple: true })),
      "csr.file: the request asks for must-staple",
    ],
    [
      "with another's private key",
      async () => ({ ...found(await csr()), privateKey: new Secret(newKeyPem("ecdsa-p256")) }),
      "csr.privateKey: does not belong to the request",
    ],
    [
      "without a private key",
      async () => ({ ...found(await csr()), privateKey: new Secret("top-secret-words") }),
      "csr.privateKey: is not a private key in PEM",
    ],
  ])("%s", async (_, ownCsr, message, change = {}) => {
    const progress = memoryProgress();
    const since = ca.proxy.requests.length;
    const own = await ownCsr();
    const error = await order({ ...wanting([NAME], async () => own), ...change }, progress).then(
      () => null,
      (thrown: unknown) => thrown,
    );
    expect(error).toMatchObject({ code: "acme.ownCsr", message: expect.stringContaining(message) });
    if (!(error instanceof RenewalError)) throw error;
    expect(error.message).toMatch(/^certificates\.refused\.own\.example\.csr\.(file|privateKey): /);
    expect(error.facts).toMatchObject({ class: "configuration", retry: "never" });
    // Neither the key nor a part of it, in the message or in what it was made of.
    for (const line of own.privateKey
      .reveal()
      .split("\n")
      .filter((part) => part.length > 20 || part.includes("secret"))) {
      expect(`${error.stack} ${String(error.cause)}`).not.toContain(line);
    }
    expect(ca.proxy.requests.length).toBe(since);
    expect(progress.saves).toBe(0);
  });

  it("whose key was revoked as compromised, while another key is certified", async () => {
    const [compromised, fresh] = [await csr(), await csr()];
    const compromisedKeys = [new Secret(newKeyPem("ecdsa-p256")), new Secret(compromised.keyPem)];
    const since = ca.proxy.requests.length;
    const refused = order({ ...wanting([NAME], async () => found(compromised)), compromisedKeys });
    await expect(refused).rejects.toMatchObject({
      code: "acme.ownCsr",
      message: expect.stringContaining("revoked for keyCompromise"),
    });
    expect(ca.proxy.requests.length).toBe(since);
    const issued = await order({ ...wanting([NAME], async () => found(fresh)), compromisedKeys });
    expect(holdsKey(issued, fresh.keyPem)).toBe(true);
  });

  it("which cannot be read at all", async () => {
    const since = ca.proxy.requests.length;
    const unreadable = async (): Promise<OwnCsr> => {
      throw new RenewalError("acme.ownCsr", "does not exist");
    };
    await expect(order(wanting([NAME], unreadable))).rejects.toMatchObject({
      code: "acme.ownCsr",
      message: "does not exist",
    });
    expect(ca.proxy.requests.length).toBe(since);
  });
});
