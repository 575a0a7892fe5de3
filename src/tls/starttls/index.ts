import type { StartTlsProtocol } from "../../domain/endpoint.ts";
import { ftp } from "./ftp.ts";
import { imap } from "./imap.ts";
import { ldap } from "./ldap.ts";
import { lmtp } from "./lmtp.ts";
import { mysql } from "./mysql.ts";
import { nntp } from "./nntp.ts";
import { pop3 } from "./pop3.ts";
import { postgresql } from "./postgresql.ts";
import { sieve } from "./sieve.ts";
import { smtp } from "./smtp.ts";
import type { StartTls } from "./wire.ts";
import { xmpp, xmppServer } from "./xmpp.ts";

export const STARTTLS: Readonly<Record<StartTlsProtocol, StartTls>> = {
  smtp,
  lmtp,
  imap,
  pop3,
  sieve,
  ftp,
  nntp,
  postgresql,
  mysql,
  ldap,
  xmpp,
  "xmpp-server": xmppServer,
};
