const BLOCK = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+?-----END CERTIFICATE-----/g;

/**
 * The certificates of a bundle in their order, one PEM block each ending in a newline; text between them is dropped.
 */
export function splitPem(bundle: string): string[] {
  return (bundle.match(BLOCK) ?? []).map((block) => `${block.replace(/\r\n?/g, "\n")}\n`);
}
