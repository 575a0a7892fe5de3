import { notOffered, type StartTls } from "./wire.ts";

const TLS = "urn:ietf:params:xml:ns:xmpp-tls";

/** RFC 6120 §5.4 */
function xmppOver(namespace: "jabber:client" | "jabber:server"): StartTls {
  return async (wire, serverName) => {
    wire.write(
      `<?xml version='1.0'?><stream:stream xmlns='${namespace}' xmlns:stream='http://etherx.jabber.org/streams' ` +
        `to='${serverName.replace(/[^A-Za-z0-9.:_-]/g, "")}' version='1.0'>`,
    );
    const features = await wire.until(/<\/stream:features>|<stream:features\s*\/>|<stream:error[\s\S]*?>/);
    if (!features.includes(TLS)) throw notOffered("xmpp", features.slice(-100));
    wire.write(`<starttls xmlns='${TLS}'/>`);
    const answer = await wire.until(/<(proceed|failure)\b[^>]*>/);
    if (!answer.includes("<proceed")) throw notOffered("xmpp", answer);
  };
}

export const xmpp = xmppOver("jabber:client");
export const xmppServer = xmppOver("jabber:server");
