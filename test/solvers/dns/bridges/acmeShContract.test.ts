// A dnsapi script written to acme.sh's guide for developers, in front of an HTTP API: what such a script may rely on.
import { mkdtemp, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { toRenewalError } from "../../../../src/domain/errors.ts";
import { acmeSh } from "../../../../src/solvers/dns/bridges/acmeSh.ts";
import type { DnsProvider } from "../../../../src/solvers/dns/provider.ts";
import { type ApiFake, type ApiRequest, startApiFake } from "../../../support/fakes/api.ts";
import { createAcmeShHome } from "../../../support/pairs/acmeShHome.ts";
import { addValue, anyKind, removeValue } from "../providers/underTest.ts";

const NAME = "_acme-challenge.www.example.org";
const ZONE = { id: NAME, name: NAME };
const VALUE = "value_of-the-challenge";
const TOKEN = "s3cret-Token-of-the-tests";
const signal = (): AbortSignal => AbortSignal.timeout(30_000);

const COMMON = `EX_Token="\${EX_Token:-$(_readaccountconf_mutable EX_Token)}"
  [ -n "$EX_Token" ] || { _err "EX_Token is missing"; return 1; }
  _saveaccountconf_mutable EX_Token "$EX_Token"
  [ "$(_readaccountconf_mutable EX_Token)" = "$EX_Token" ] || return 2
  export _H1="Authorization: Bearer $EX_Token"
  export _H2="X-Client: acme.sh"`;
const ADD = `${COMMON}
  response="$(_post "{\\"name\\":\\"$1\\",\\"value\\":\\"$2\\"}" "$EX_Api/records" "" "" "application/json")" || return 1
  _contains "$response" '"ok":true' || { _err "refused: $response"; return 1; }`;
const RM = `${COMMON}
  id="$(_get "$EX_Api/records?value=$2" | _egrep_o '"id":"[^"]*"' | cut -d : -f 2 | tr -d '"')"
  [ -n "$id" ] || return 0
  _post "" "$EX_Api/records/$id" "" "DELETE" >/dev/null`;

let root: string;
let fake: ApiFake;
let got: ApiRequest[];
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "renewd-acme.sh-"));
  got = [];
  fake = await startApiFake((request) => {
    got.push(request);
    if (request.headers.authorization !== `Bearer ${TOKEN}`)
      return { status: 401, body: `{"ok":false,"you":"${request.headers.authorization}"}` };
    return { status: 200, body: { ok: true, id: "42" } };
  });
});
afterEach(async () => {
  await fake.stop();
  await rm(root, { recursive: true, force: true });
});

async function provider(token = TOKEN): Promise<DnsProvider> {
  const home = await createAcmeShHome(join(root, "home"));
  const info = "Example\nOptions:\n EX_Token API token\n EX_Api Address\n";
  await home.dnsapi("dns_example", { info, add: ADD, rm: RM });
  const written = { home: home.path, script: "dns_example", environment: { EX_Api: fake.origin } };
  return anyKind(acmeSh).make({ ...written, secretEnvironment: { EX_Token: "env:T" } }, { T: token }).provider;
}

it("saves and reads its variables, and sends its headers by _post and _get", async () => {
  const dns = await provider();
  await addValue(dns, ZONE, NAME, VALUE, signal());
  await removeValue(dns, ZONE, NAME, { value: VALUE, id: null }, signal());
  const seen = got.map(({ method, path, headers }) => [method, path, headers.authorization, headers["x-client"]]);
  const own = [`Bearer ${TOKEN}`, "acme.sh"];
  expect(seen).toEqual([
    ["POST", "/records", ...own],
    ["GET", "/records", ...own],
    ["DELETE", "/records/42", ...own],
  ]);
  expect(JSON.parse(got[0]?.body ?? "")).toEqual({ name: NAME, value: VALUE });
});

it("says by its exit code and last words why it failed, and its token is not shown", async () => {
  const wrong = "another-Secret-that-is-wrong";
  const dns = await provider(wrong);
  const error = toRenewalError(await addValue(dns, ZONE, NAME, VALUE, signal()).catch((thrown: unknown) => thrown));
  expect([error.code, error.message]).toEqual([
    "dns.refused",
    `acme.sh's dns_example_add ended with exit code 1: refused: {"ok":false,"you":"Bearer [secret]"}`,
  ]);
});

it("may also be in acme.sh's own directory, where people put scripts of their own", async () => {
  const dns = await provider();
  await rename(join(root, "home/dnsapi/dns_example.sh"), join(root, "home/dns_example.sh"));
  await addValue(dns, ZONE, NAME, VALUE, signal());
  expect(got).toHaveLength(1);
});
