/** As `engines` in package.json. Before 26.9 `getPeerX509Certificate()` kept 5 to 9 kB with each handshake (measured). */
const OLDEST = { major: 26, minor: 9 };

/** Why this Node cannot run renewd, in one line; null: it can. Found out late, it would be a stack trace. */
export function nodeFault(version: string): string | null {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const isNewEnough = major > OLDEST.major || (major === OLDEST.major && minor >= OLDEST.minor);
  if (isNewEnough) return null;
  const needed = `${OLDEST.major}.${OLDEST.minor}`;
  return `renewd: this is Node.js ${version}, and renewd needs ${needed} or later: install it (docs/installation.md)`;
}

/** Ends a process that cannot work; code 3: what renewd needs could not be had. */
export function refuseOldNode(): void {
  const fault = nodeFault(process.versions.node);
  if (fault === null) return;
  process.stderr.write(`${fault}\n`);
  process.exit(3);
}
