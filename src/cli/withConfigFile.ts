/** With `-c FILE` the commands of an advice have it too, so that they can be typed as they stand. */
export function withConfigFile(advice: string, config: string | undefined): string {
  if (config === undefined) return advice;
  const file = /^[\w./@-]+$/.test(config) ? config : `'${config.replaceAll("'", "'\\''")}'`;
  return advice.replaceAll("`renewd ", `\`renewd -c ${file} `);
}
