// An SSH server by ssh2's own other half, for what OpenSSH here cannot be: one with password login and an SFTP version
// 3 without any of OpenSSH's extensions (draft-ietf-secsh-filexfer-02), as some appliances have it. Every path is a
// directory.
import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import ssh2 from "ssh2";
import { offeredKey } from "../../../src/deployers/ssh/hostKey.ts";

const { Server, utils } = ssh2;

export interface PlainSftpServer extends AsyncDisposable {
  readonly port: number;
  readonly fingerprint: string;
  /** How many logged in. */
  readonly logins: number;
}

const DIRECTORY_MODE = 0o040755;

export async function startPlainSftpServer(account: {
  readonly user: string;
  readonly password: string;
}): Promise<PlainSftpServer> {
  // Not ssh2's own generator: now and then it writes a key that it cannot read.
  const { privateKey: key } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const privateKey = key.export({ type: "sec1", format: "pem" }).toString();
  const parsed = utils.parseKey(privateKey);
  if (parsed instanceof Error) throw parsed;
  let logins = 0;
  const server = new Server({ hostKeys: [privateKey] }, (client) => {
    client.on("error", () => client.end());
    client.on("authentication", (context) => {
      if (context.method === "password" && context.username === account.user && context.password === account.password)
        return context.accept();
      return context.reject(["password"]);
    });
    client.on("ready", () => {
      logins += 1;
      client.on("session", (accept) => {
        accept().on("sftp", (acceptSftp) => serveSftp(acceptSftp()));
      });
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    fingerprint: offeredKey(parsed.getPublicSSH()).fingerprint,
    get logins() {
      return logins;
    },
    async [Symbol.asyncDispose]() {
      const closed = once(server, "close");
      server.close();
      await closed;
    },
  };
}

function serveSftp(sftp: ssh2.SFTPWrapper): void {
  const attributes = { mode: DIRECTORY_MODE, uid: 0, gid: 0, size: 0, atime: 0, mtime: 0 };
  sftp.on("REALPATH", (id, path) => sftp.name(id, [{ filename: path, longname: path, attrs: attributes }]));
  sftp.on("LSTAT", (id, path) =>
    path.endsWith(".pem") ? sftp.status(id, utils.sftp.STATUS_CODE.NO_SUCH_FILE) : sftp.attrs(id, attributes),
  );
}
