import { greetAndAsk } from "./greeting.ts";
import type { StartTls } from "./wire.ts";

/** RFC 3207 */
export const smtp: StartTls = (wire) => greetAndAsk(wire, "smtp", "EHLO");
