// npm run bench -- [NAME…]: the named benchmarks, all without a name, one after another.
const BENCHES = {
  acme: "issuing alone, against stock acme-client at the same CA",
  pipeline: "due to proved, against tools that only issue",
  single: "one certificate, due to proved",
  thousand: "1,000 certificates as a mass replacement through several CAs",
  pages: "pages, lists and API with 10,000 certificates",
  sweep: "a million certificates, a hundred of them due: what a sweep asks",
  fleet: "a hundred thousand certificates: loading, lists, reload",
  start: "commands and an idle daemon: processor time and memory",
  soak: "thousands of renewals of the same certificates: what grows",
} as const;

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !(name in BENCHES));
if (unknown.length > 0) {
  console.error(`bench: unknown ${unknown.join(", ")}; there are ${Object.keys(BENCHES).join(", ")}`);
  process.exit(2);
}
for (const [name, what] of Object.entries(BENCHES)) {
  if (asked.length > 0 && !asked.includes(name)) continue;
  console.log(`--- ${name}: ${what}`);
  await import(`./${name}.ts`);
}
