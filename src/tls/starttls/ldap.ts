import { notOffered, type StartTls } from "./wire.ts";

const OID = "1.3.6.1.4.1.1466.20037";
/** LDAPMessage with message id 1 and an ExtendedRequest for StartTLS. */
const REQUEST = Buffer.concat([Buffer.from([0x30, 0x1d, 0x02, 0x01, 0x01, 0x77, 0x18, 0x80, 0x16]), Buffer.from(OID)]);
const SEQUENCE = 0x30;
const EXTENDED_RESPONSE = 0x78;
const ENUMERATED = 0x0a;
const LENGTH_BYTES_MAX = 2;

/** RFC 4511 §4.14 */
export const ldap: StartTls = async (wire) => {
  wire.write(REQUEST);
  const [tag = 0, first = 0] = await wire.bytes(2);
  const more = first & 0x80 ? first & 0x7f : 0;
  if (tag !== SEQUENCE || more > LENGTH_BYTES_MAX) throw notOffered("ldap", `a message with tag ${tag}`);
  const length = more === 0 ? first : (await wire.bytes(more)).readUIntBE(0, more);
  if (length === 0) throw notOffered("ldap", "an empty message");
  const message = await wire.bytes(length);
  const response = message.indexOf(EXTENDED_RESPONSE);
  const result = response < 0 ? -1 : message.indexOf(ENUMERATED, response);
  const code = result < 0 ? undefined : message[result + 2];
  if (code !== 0) throw notOffered("ldap", code === undefined ? "no ExtendedResponse" : `result code ${code}`);
};
