import { z } from "zod";
import { certificateList } from "../../../reports/lists/certificateList.ts";
import { pageOf, readQuery } from "../../../reports/lists/list.ts";
import type { WebContext } from "../../context.ts";
import { fleetOf } from "../../fleet.ts";
import { HttpProblem } from "../../problem.ts";
import { observationList, versionList } from "../itemLists.ts";
import { toCertificate, toObservation, toVersion } from "../items.ts";
import { operation } from "../operation.ts";
import { certificateItem, observationItem, versionItem } from "../schemas.ts";
import { itemPage, listQuery, pageAnswer, pageSchema } from "./lists.ts";
import { assertCertificate, certificateParams } from "./subjects.ts";

export async function certificateOf(web: WebContext, name: string): Promise<z.output<typeof certificateItem>> {
  const { rows, byName } = await fleetOf(web).read();
  const row = rows.get(name);
  if (row === undefined) throw new HttpProblem(404, `there is no certificate "${name}" in the configuration`);
  return toCertificate(row, byName.get(name)?.member.record ?? null);
}

/** What a decision is compared with: as it is now, and not as the last reading of the fleet has it. */
export async function currentCertificate(web: WebContext, name: string): Promise<z.output<typeof certificateItem>> {
  await fleetOf(web).reread([name]);
  return certificateOf(web, name);
}

export const certificateOperations = [
  operation({
    id: "listCertificates",
    method: "get",
    path: "/certificates",
    tag: "See",
    summary: "The certificates of the configuration, worst first.",
    query: listQuery(certificateList(0)),
    answer: pageSchema(certificateItem),
    async run({ web, search }) {
      const { certificates, byName } = await fleetOf(web).read();
      const list = certificateList(web.renewal.clock.now());
      return pageAnswer(pageOf(list, certificates, readQuery(list, search)), (row) =>
        toCertificate(row, byName.get(row.certificate)?.member.record ?? null),
      );
    },
  }),
  operation({
    id: "getCertificate",
    method: "get",
    path: "/certificates/{certificate}",
    tag: "See",
    summary: "One certificate. Its ETag is what `If-Match` of its actions takes.",
    params: certificateParams,
    answer: certificateItem,
    run: ({ web, params }) => certificateOf(web, params.certificate),
  }),
  operation({
    id: "listVersions",
    method: "get",
    path: "/certificates/{certificate}/versions",
    tag: "See",
    summary: "Its pairs, newest first, without their keys.",
    params: certificateParams,
    query: listQuery(versionList),
    answer: pageSchema(versionItem),
    async run({ web, params: { certificate }, search }) {
      await assertCertificate(web, certificate);
      const versions = await web.renewal.store.versions.list(certificate);
      return itemPage(versionList, versions.map(toVersion), search);
    },
  }),
  operation({
    id: "getVersion",
    method: "get",
    path: "/certificates/{certificate}/versions/{generation}",
    tag: "See",
    summary: "One of its pairs, without its key.",
    params: certificateParams.extend({ generation: z.string().regex(/^[1-9]\d{0,8}$/, "must be a number from 1") }),
    answer: versionItem,
    async run({ web, params: { certificate, generation } }) {
      const version = await web.renewal.store.versions.get(certificate, Number(generation));
      if (version === null) throw new HttpProblem(404, `"${certificate}" has no generation ${generation}`);
      return toVersion(version);
    },
  }),
  operation({
    id: "listObservations",
    method: "get",
    path: "/certificates/{certificate}/observations",
    tag: "See",
    summary: "What the last handshake with each address of its endpoints saw.",
    params: certificateParams,
    query: listQuery(observationList),
    answer: pageSchema(observationItem),
    async run({ web, params: { certificate }, search }) {
      await assertCertificate(web, certificate);
      const seen = await web.renewal.store.observations.observations(certificate);
      return itemPage(observationList, seen.map(toObservation), search);
    },
  }),
];
