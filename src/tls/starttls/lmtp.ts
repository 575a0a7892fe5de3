import { greetAndAsk } from "./greeting.ts";
import type { StartTls } from "./wire.ts";

/** RFC 2033: as SMTP, with another greeting. */
export const lmtp: StartTls = (wire) => greetAndAsk(wire, "lmtp", "LHLO");
