let isDone = false;

/**
 * Every TLS connection of this process without a `trust` of its own believes the CAs that the system believes, a
 * company's own among them, and those that Node ships. By itself Node takes only the latter. Reading the system's store
 * takes a tenth of a second, so it is done before the first connection and not by commands that open none.
 */
export function trustSystemAuthorities(): void {
  if (isDone) return;
  isDone = true;
  // Not imported: a command that opens no connection would wait for it all the same.
  const { getCACertificates, setDefaultCACertificates } = process.getBuiltinModule("node:tls");
  const known = [getCACertificates("system"), getCACertificates("bundled"), getCACertificates("extra")];
  setDefaultCACertificates([...new Set(known.flat())]);
}
