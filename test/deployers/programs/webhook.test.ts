import { createPrivateKey } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { webhook } from "../../../src/deployers/programs/webhook.ts";
import { signingKey, signWebhook } from "../../../src/deployers/programs/webhookSignature.ts";
import type { Deployer } from "../../../src/domain/deployer.ts";
import { Secret } from "../../../src/domain/secret.ts";
import { deployerConformance } from "../../conformance/deployer.ts";
import { startWebhookReceiver, WEBHOOK_SECRET, type WebhookReceiver } from "../../support/fakes/webhookReceiver.ts";
import { freePort } from "../../support/freePort.ts";
import { createPairIssuer, type PairIssuer } from "../../support/pairs/issuedPairs.ts";
import { dependencies } from "../../support/pairs/targetSecrets.ts";
import { startTcpServer } from "../../support/servers/tlsServer.ts";

const NEVER = new AbortController().signal;

function make(options: Record<string, unknown>, secret = WEBHOOK_SECRET): Deployer {
  return webhook.create(
    webhook.options.parse({ secret: "env:HOOK", ...options }),
    dependencies("receiver", { HOOK: secret }),
  );
}

deployerConformance("webhook", async () => {
  await using starting = new AsyncDisposableStack();
  const receiver = starting.use(await startWebhookReceiver());
  const stack = starting.move();
  const held = async (certificate: string) => receiver.fingerprint(certificate);
  return {
    deployer: make({ url: receiver.url, trust: receiver.trustFile }),
    served: held,
    stored: held,
    repeats(text, inErrorText) {
      const said = inErrorText ? JSON.stringify({ error: text }) : text;
      receiver.answer = () => ({ status: 422, text: said });
      return () => {
        receiver.answer = null;
      };
    },
    async breakDown() {
      receiver.answer = (body) => ({ status: 500, text: `cannot store ${body}` });
      const mend = async () => {
        receiver.answer = null;
      };
      return { code: "deploy.unreachable", mend };
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
});

describe("webhook", () => {
  let receiver: WebhookReceiver;
  let issuer: PairIssuer;
  beforeAll(async () => {
    receiver = await startWebhookReceiver();
    issuer = await createPairIssuer();
  });
  afterAll(() => receiver?.[Symbol.asyncDispose]());
  beforeEach(() => {
    receiver.answer = null;
  });

  let certificates = 0;
  const issue = (generation: number) => {
    certificates += 1;
    return issuer.issue({ certificate: `www${certificates}.example`, generation });
  };
  const deployer = (options: Record<string, unknown> = {}) =>
    make({ url: receiver.url, trust: receiver.trustFile, ...options });

  it("sends pair and facts as the document says", async () => {
    const pair = await issue(3);
    await deployer().deploy({ pair, previous: null }, NEVER);
    const { body } = receiver.last();
    const { leaf } = pair;
    expect(JSON.parse(body)).toEqual({
      type: "certificate.deploy",
      timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      data: {
        ...{
          target: "receiver",
          certificate: pair.certificate,
          generation: 3,
          fingerprint: leaf.fingerprint,
          serial: leaf.serial,
        },
        ...{
          names: [`${pair.certificate}.test`],
          notBefore: new Date(leaf.notBefore).toISOString(),
          notAfter: new Date(leaf.notAfter).toISOString(),
        },
        ...{
          cert: pair.leafPem,
          chain: pair.chainPem.join(""),
          fullchain: pair.leafPem + pair.chainPem.join(""),
          privateKey: pair.privateKey.reveal(),
        },
      },
    });
  });

  it("signs as in Standard Webhooks, with one id for one pair and none of its separators in it", async () => {
    const [pair, other] = [await issue(1), await issue(1)];
    for (const one of [pair, pair, other]) await deployer().deploy({ pair: one, previous: null }, NEVER);
    const [first, second, third] = receiver.ids.slice(-3);
    expect(second).toBe(first);
    expect(third).not.toBe(first);
    expect(first).toMatch(/^[A-Za-z0-9_]+$/);
    // The vector of the Standard Webhooks libraries' own tests.
    const key = signingKey(new Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
    expect(signWebhook(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330_999, '{"test": 2432232314}')).toEqual({
      "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
      "webhook-timestamp": "1614265330",
      "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    });
  });

  it("is turned away when it signs with another secret", async () => {
    const stranger = make(
      { url: receiver.url, trust: receiver.trustFile },
      `whsec_${Buffer.alloc(32, 7).toString("base64")}`,
    );
    await expect(stranger.deploy({ pair: await issue(1), previous: null }, NEVER)).rejects.toMatchObject({
      code: "deploy.forbidden",
    });
  });

  it.each(["hunter2hunter2hunter2hunter2", "whsec_c2hvcnQ=", `whsec_${Buffer.alloc(65).toString("base64")}`])(
    "says how to make a signing secret instead of %s, without repeating it",
    async (secret) => {
      const wrong = make({ url: receiver.url }, secret);
      const attempts = [
        wrong.deploy({ pair: await issue(1), previous: null }, NEVER),
        wrong.preflight?.("www", null, NEVER),
      ];
      for (const attempt of attempts) {
        const error = await attempt?.catch((thrown: unknown) => thrown);
        expect(error).toMatchObject({
          code: "config.secret",
          message: expect.stringContaining("openssl rand -base64 32"),
        });
        expect(String(error)).not.toContain(secret);
      }
    },
  );

  it("does not send the private key with `includeKey: false`", async () => {
    const pair = await issue(1);
    await deployer({ includeKey: false }).deploy({ pair, previous: null }, NEVER);
    expect(JSON.parse(receiver.last().body).data).not.toHaveProperty("privateKey");
    expect(receiver.last().body).not.toContain("PRIVATE KEY");
  });

  it("sends a key over http to this machine only", () => {
    const parse = (url: string, more = {}) => webhook.options.safeParse({ url, secret: "env:S", ...more }).success;
    expect(
      ["https://h.example/x", "http://127.0.0.1:80/", "http://localhost/", "http://[::1]:8080/"].map((url) =>
        parse(url),
      ),
    ).toEqual([true, true, true, true]);
    expect(
      ["http://h.example/x", "http://127.0.0.1.example/", "http://10.0.0.1/", "ftp://127.0.0.1/"].map((url) =>
        parse(url),
      ),
    ).toEqual([false, false, false, false]);
    expect(parse("http://h.example/x", { includeKey: false })).toBe(true);
    expect(parse("https://user:pw@h.example/x")).toBe(false);
  });

  it("trusts the system's CAs unless given others", async () => {
    await expect(
      make({ url: receiver.url }).deploy({ pair: await issue(1), previous: null }, NEVER),
    ).rejects.toMatchObject({ code: "deploy.unreachable" });
  });

  it("remembers a few short facts of the answer, and no secret among them", async () => {
    const pair = await issue(1);
    const receipt = {
      id: "abc-1",
      version: 7,
      nested: { a: 1 },
      generation: 99,
      "bad name": "x",
      key: pair.privateKey.reveal(),
      long: "x".repeat(5_000),
    };
    const many = Object.fromEntries(Array.from({ length: 50 }, (_, index) => [`n${index}`, index]));
    receiver.answer = () => ({ status: 200, text: JSON.stringify({ receipt: { ...receipt, ...many } }) });
    const made = await deployer().deploy({ pair, previous: null }, NEVER);
    expect(made).toMatchObject({ id: "abc-1", version: 7, generation: 1, fingerprint: pair.leaf.fingerprint });
    expect(made).not.toHaveProperty("nested");
    expect(made).not.toHaveProperty("bad name");
    expect(Object.keys(made).length).toBeLessThanOrEqual(10);
    expect(JSON.stringify(made).length).toBeLessThan(1_000);
    expect(JSON.stringify(made)).not.toContain(pair.privateKey.reveal().split("\n")[1]);
  });

  it.each<[string, (pem: string) => string]>([
    ["base64 of its base64", (pem) => twice(pem)],
    ["its text backwards", (pem) => [...pem].reverse().join("")],
    ["its secret number", (pem) => BigInt(`0x${numberOf(pem)}`).toString()],
  ])("keeps no facts that are the key as %s", async (_, write) => {
    const pair = await issue(1);
    const pieces = write(pair.privateKey.reveal()).match(/[\s\S]{1,190}/g) ?? [];
    const receipt = Object.fromEntries(pieces.map((piece, index) => [`f${index}`, piece]));
    receiver.answer = () => ({ status: 200, text: JSON.stringify({ receipt }) });
    expect(Object.keys(await deployer().deploy({ pair, previous: null }, NEVER)).sort()).toEqual([
      ...["fingerprint", "generation"],
    ]);
  });

  it("keeps several digests and names of a cloud's objects", async () => {
    const receipt = {
      arn: "arn:aws:acm:eu-central-1:123456789012:certificate/12345678-1234-1234-1234-123456789012",
      ...{ version: "Bd7eK3jY9sXq2LmN8pRtVw4ZcA6hUf1G", sha1: "0a".repeat(20), sha256: "0b".repeat(32) },
      ...{ other: "1c".repeat(32), third: "2d".repeat(32) },
    };
    receiver.answer = () => ({ status: 200, text: JSON.stringify({ receipt }) });
    expect(await deployer().deploy({ pair: await issue(1), previous: null }, NEVER)).toMatchObject(receipt);
  });

  it("keeps no facts that are pieces of the key together, as text or as digits", async () => {
    const pair = await issue(1);
    const body = pair.privateKey.reveal().split("\n").slice(1, -2).join("");
    const texts = Array.from({ length: 8 }, (_, index) => [`t${index}`, body.slice(index * 7, index * 7 + 7)]);
    const numbers = Array.from({ length: 8 }, (_, index) => [`n${index}`, 123_456_780 + index]);
    for (const facts of [texts, numbers]) {
      receiver.answer = () => ({ status: 200, text: JSON.stringify({ receipt: Object.fromEntries(facts) }) });
      const made = await deployer().deploy({ pair, previous: null }, NEVER);
      expect(Object.keys(made).sort()).toEqual(["fingerprint", "generation"]);
    }
  });

  it.each([
    [409, JSON.stringify({ generation: 5 }), {}, "deploy.newerGeneration"],
    [409, JSON.stringify({ generation: 1 }), {}, "deploy.refused"],
    [409, "busy", {}, "deploy.refused"],
    [400, "no such certificate", {}, "deploy.refused"],
    [410, "", {}, "deploy.refused"],
    [401, "", {}, "deploy.forbidden"],
    [403, "", {}, "deploy.forbidden"],
    [302, "", { location: "https://elsewhere.example/" }, "deploy.refused"],
    [429, "", { "retry-after": "120" }, "deploy.rateLimited"],
    [503, "", { "retry-after": "120" }, "deploy.unreachable"],
    [500, "", {}, "deploy.unreachable"],
  ])("takes the answer %i %s with headers %j for %s", async (status, text, headers, code) => {
    receiver.answer = () => ({ status, text, headers });
    const before = Date.now();
    const error = await deployer()
      .deploy({ pair: await issue(2), previous: null }, NEVER)
      .catch((thrown: unknown) => thrown);
    const soon =
      "retry-after" in headers ? expect.toSatisfy((at) => at >= before + 120_000 && at <= Date.now() + 120_000) : null;
    expect(error).toMatchObject({ code, retryAt: soon });
  });

  it("distinguishes a receiver that is down from one that hangs", async () => {
    const request = { pair: await issue(1), previous: null };
    await expect(
      deployer({ url: `https://127.0.0.1:${await freePort()}/` }).deploy(request, NEVER),
    ).rejects.toMatchObject({ code: "deploy.unreachable" });
    await using silent = await startTcpServer(() => {});
    const hanging = deployer({ url: `https://127.0.0.1:${silent.port}/`, timeout: "200ms" });
    await expect(hanging.deploy(request, NEVER)).rejects.toMatchObject({ code: "deploy.timeout" });
  });

  it("asks in preflight only whether the receiver is reachable", async () => {
    const before = receiver.ids.length;
    await expect(deployer().preflight?.("www", null, NEVER)).resolves.toBeUndefined();
    expect(receiver.ids.length).toBe(before);
    expect(receiver.methods.at(-1)).toBe("GET");
    await expect(
      deployer({ url: `https://127.0.0.1:${await freePort()}/` }).preflight?.("www", null, NEVER),
    ).rejects.toMatchObject({
      code: "deploy.unreachable",
    });
  });

  describe("with a file of CAs", () => {
    let root: string;
    beforeEach(async () => {
      root = await mkdtemp(join(tmpdir(), "renewd-webhook-"));
    });
    afterEach(() => rm(root, { recursive: true }));

    it("says that it cannot be read", async () => {
      await writeFile(join(root, "here.pem"), "");
      await expect(
        deployer({ trust: join(root, "gone.pem") }).deploy({ pair: await issue(1), previous: null }, NEVER),
      ).rejects.toMatchObject({
        code: "deploy.io",
        message: expect.stringContaining("gone.pem"),
      });
    });
  });
});

function twice(pem: string): string {
  return btoa(btoa(pem));
}

/** In hex: the secret number of an ECDSA key. */
function numberOf(pem: string): string {
  return Buffer.from(String(createPrivateKey(pem).export({ format: "jwk" }).d), "base64url").toString("hex");
}
