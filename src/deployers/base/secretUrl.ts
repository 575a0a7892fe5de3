import { z } from "zod";
import { CLEAR_SOCKET_REFUSED, CLEAR_TEXT_REFUSED, isClearText, isLoopback } from "../../domain/loopback.ts";

/** Where keys, passwords or tokens are sent to: https, or http to this machine itself. */
export const secretUrl = z.url({ protocol: /^https?$/ }).refine((url) => !isClearText(url), CLEAR_TEXT_REFUSED);

/** A UNIX socket's absolute path, or host:port of this machine, where nothing is encrypted. */
export const socketOption = z
  .string()
  .max(255)
  .regex(/^(\/\P{Cc}+|[A-Za-z0-9.-]+:\d{1,5}|\[[0-9a-fA-F:.]+\]:\d{1,5})$/u, "give an absolute path or host:port")
  .refine(
    (address) => address.startsWith("/") || isLoopback(address.slice(0, address.lastIndexOf(":"))),
    CLEAR_SOCKET_REFUSED,
  );
