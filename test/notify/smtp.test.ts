// Mail through a real SMTP server on this machine.
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { SMTPServer, type SMTPServerOptions } from "smtp-server";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Notification } from "../../src/domain/notification.ts";
import { Secret } from "../../src/domain/secret.ts";
import { smtp } from "../../src/notify/smtp.ts";
import { type Authority, createRoot, type IssuedPair } from "../support/ca/pki.ts";
import { RESPONSIBILITY } from "./responsibility.ts";

const NEVER = new AbortController().signal;
const NOTE: Notification = {
  id: "42",
  at: Date.UTC(2026, 0, 2),
  severity: "page",
  event: "renewal.failed",
  certificate: "www",
  renewalId: "0123456789abcdef",
  target: null,
  message: "www: renewal failed: no",
  action: "Fix it.",
  alert: "certificate/www",
  responsibility: RESPONSIBILITY,
  resolves: false,
};

interface Taken {
  readonly from: string;
  readonly to: readonly string[];
  readonly user: string | null;
  readonly secure: boolean;
  readonly text: string;
}

interface MailServer extends AsyncDisposable {
  readonly port: number;
  readonly taken: readonly Taken[];
}

let root: Authority;
let pair: IssuedPair;
const before = getCACertificates("default");
beforeAll(async () => {
  root = await createRoot({ name: "Mail root" });
  pair = await root.issue({ names: ["localhost"] });
  setDefaultCACertificates([...before, root.certPem]);
});
afterAll(() => setDefaultCACertificates(before));

async function startMailServer(options: SMTPServerOptions = {}): Promise<MailServer> {
  const taken: Taken[] = [];
  const server = new SMTPServer({
    key: pair.keyPem,
    cert: pair.certPem,
    authOptional: true,
    disableReverseLookup: true,
    onAuth: ({ username, password }, _session, done) =>
      username === "renewd" && password === "s3cr3t" ? done(null, { user: username }) : done(new Error("no")),
    onData(stream, session, done) {
      const chunks: Buffer[] = [];
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.on("end", () => {
        const { mailFrom, rcptTo } = session.envelope;
        taken.push({
          from: mailFrom === false ? "" : mailFrom.address,
          to: rcptTo.map(({ address }) => address),
          user: session.user ?? null,
          secure: session.secure,
          text: Buffer.concat(chunks).toString(),
        });
        done();
      });
    },
    ...options,
  });
  server.on("error", () => {});
  server.listen(0, "127.0.0.1");
  await once(server.server, "listening");
  return {
    port: (server.server.address() as AddressInfo).port, // It listens on TCP.
    taken,
    [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(resolve)),
  };
}

const BASE = { host: "localhost", sender: "renewd@example.org", to: ["ops@example.org", "lead@example.org"] };

function sendBy(options: object, notification: Notification = NOTE): Promise<void> {
  const send = smtp.create(smtp.options.parse({ ...BASE, ...options }), {
    channel: "mail",
    secret: async () => new Secret("s3cr3t"),
  });
  return send(notification, NEVER);
}

describe("mail", () => {
  test("is sent over STARTTLS, signed in, to everybody, with what a person needs", async () => {
    await using server = await startMailServer();
    await sendBy({ port: server.port, username: "renewd", password: "env:MAIL" });
    expect(server.taken).toMatchObject([{ from: BASE.sender, to: BASE.to, user: "renewd", secure: true }]);
    const text = server.taken[0]?.text ?? "";
    expect(text).toMatch(/^Subject: \[page\] www: renewal failed: no\r$/m);
    expect(text).toMatch(/^Message-ID: <renewd-42@example\.org>\r$/m);
    expect(text).toMatch(/^Auto-Submitted: auto-generated\r$/m);
    expect(text).toContain("What to do: Fix it.");
    expect(text).toContain("More: renewd show 01234567");
  });

  test("is sent over TLS from the first byte", async () => {
    await using server = await startMailServer({ secure: true });
    await sendBy({ port: server.port, tls: "implicit" });
    expect(server.taken).toMatchObject([{ secure: true }]);
  });

  test("is not sent in clear text when STARTTLS is not offered", async () => {
    await using server = await startMailServer({ disabledCommands: ["STARTTLS"] });
    await expect(sendBy({ port: server.port })).rejects.toMatchObject({ code: "notify.failed" });
    expect(server.taken).toEqual([]);
  });

  test("is not sent to a server whose certificate is not trusted", async () => {
    const other = await (await createRoot()).issue({ names: ["localhost"] });
    await using server = await startMailServer({ key: other.keyPem, cert: other.certPem });
    await expect(sendBy({ port: server.port })).rejects.toMatchObject({ code: "notify.failed" });
    expect(server.taken).toEqual([]);
  });

  test.each<[string, SMTPServerOptions, object, string, string]>([
    [
      "a wrong password",
      { onAuth: (_auth, _session, done) => done(new Error("no s3cr3t")) },
      { username: "renewd", password: "env:M" },
      "notify.failed",
      "refuses username or password",
    ],
    [
      "a refused recipient",
      { onRcptTo: (_address, _session, done) => done(Object.assign(new Error("s3cr3t"), { responseCode: 550 })) },
      {},
      "notify.failed",
      "answered 550",
    ],
    [
      "a refused message",
      {
        onData: (stream, _session, done) =>
          void stream.resume().on("end", () => done(Object.assign(new Error("s3cr3t"), { responseCode: 554 }))),
      },
      {},
      "notify.refused",
      "answered 554",
    ],
  ])("%s is an error in words of renewd's own", async (_what, server, options, code, said) => {
    await using running = await startMailServer(server);
    const error = await sendBy({ port: running.port, ...options }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code, message: expect.stringContaining(said) });
    expect(String(error)).not.toContain("s3cr3t");
  });

  const refuse = (whom: string, responseCode: number): SMTPServerOptions => ({
    onRcptTo: ({ address }, _session, done) =>
      address === whom ? done(Object.assign(new Error("s3cr3t"), { responseCode })) : done(),
  });

  test("goes again only to whom the server put off, under the same Message-ID", async () => {
    const putOff = refuse("lead@example.org", 450);
    await using server = await startMailServer({
      onRcptTo: (address, session, done) => putOff.onRcptTo?.(address, session, done),
    });
    const send = smtp.create(smtp.options.parse({ ...BASE, port: server.port }), {
      channel: "mail",
      secret: async () => new Secret("s3cr3t"),
    });
    await expect(send(NOTE, NEVER)).rejects.toMatchObject({
      code: "notify.failed",
      message: expect.stringContaining("answered 450 to RCPT TO for 1 of 2 recipients; the others have the message"),
    });
    putOff.onRcptTo = (_address, _session, done) => done();
    await send(NOTE, NEVER);
    expect(server.taken.map(({ to }) => to)).toEqual([["ops@example.org"], ["lead@example.org"]]);
    const ids = server.taken.map(({ text }) => /^Message-ID: (.*)\r$/m.exec(text)?.[1]);
    expect(new Set(ids).size).toBe(1);
  });

  test("that one of the recipients will never get is said, and not sent again to the others", async () => {
    await using server = await startMailServer(refuse("lead@example.org", 550));
    await expect(sendBy({ port: server.port })).rejects.toMatchObject({ code: "notify.refused" });
    expect(server.taken.map(({ to }) => to)).toEqual([["ops@example.org"]]);
  });

  test("has a subject and headers of one line each, whatever a stranger wrote", async () => {
    await using server = await startMailServer();
    await sendBy(
      { port: server.port },
      { ...NOTE, message: "www: no\r\nBcc: all@example.org\r\n\r\n<script>\u001b[31m" },
    );
    const [head = ""] = (server.taken[0]?.text ?? "").split("\r\n\r\n");
    expect(head).not.toMatch(/^Bcc:/m);
    expect(server.taken[0]?.to).toEqual(BASE.to);
    expect(server.taken[0]?.text).not.toContain("\u001b");
  });

  test.each([
    [{ host: "mail.example.org", tls: "none" }, "unencrypted"],
    [{ host: "mail.example.org", username: "renewd" }, "needs `password`"],
    [{ host: "mail.example.org", to: ["nobody"] }, "email"],
  ])("refuses %j", (options, message) => {
    const parsed = smtp.options.safeParse({ ...BASE, ...options });
    expect(parsed.success ? "" : JSON.stringify(parsed.error.issues)).toContain(message);
  });
});
