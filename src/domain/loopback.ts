const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[?::1\]?)$/i;

/** Whether what is sent there stays on this machine. */
export function isLoopback(host: string): boolean {
  return LOOPBACK.test(host);
}

/** One rule for all that keys, passwords and tokens are sent to. */
export const CLEAR_TEXT_REFUSED: string = refusedUnless("https");
/** The same where no TLS is to be had. */
export const CLEAR_SOCKET_REFUSED: string = refusedUnless("a socket's path");

function refusedUnless(safe: string): string {
  return `would send keys and tokens unencrypted to another machine: use ${safe}, or an address of this machine (127.0.0.1, ::1)`;
}

/** Whether anybody on the way could read what is sent to this URL. */
export function isClearText(url: string): boolean {
  const parsed = URL.parse(url);
  return parsed !== null && parsed.protocol === "http:" && !isLoopback(parsed.hostname);
}
