import { expect, it } from "vitest";
import { roleSettingsOf } from "../../src/compose/roleSettings.ts";
import { configFile, estate } from "../config/configFile.ts";

it("the tls-alpn-01 responder listens only for a solver that needs it", async () => {
  await using without = await configFile(estate());
  expect(roleSettingsOf(await without.config()).tlsAlpn01).toBeNull();
  await using needed = await configFile(estate().replace("{ type: http-01 }", "{ type: tls-alpn-01 }"));
  expect(roleSettingsOf(await needed.config())).toMatchObject({ tlsAlpn01: { host: "::", port: 443 }, http01: null });
});

it.each([
  ["an http-01 solver", estate(), { host: "::", port: 80 }],
  [
    "none that answers by itself",
    estate().replace("{ type: http-01 }", "{ type: webroot, directory: /srv/www }"),
    null,
  ],
])("with %s the responder listens only if it is needed", async (_solvers, text, http01) => {
  await using file = await configFile(text);
  expect(roleSettingsOf(await file.config()).http01).toEqual(http01);
});
