import { deploymentList } from "../../../reports/lists/deploymentList.ts";
import { endpointList } from "../../../reports/lists/endpointList.ts";
import { pageOf, readQuery } from "../../../reports/lists/list.ts";
import { fleetOf } from "../../fleet.ts";
import { targetList } from "../itemLists.ts";
import { toDeployment, toEndpoint } from "../items.ts";
import { operation } from "../operation.ts";
import { deploymentItem, endpointItem, targetItem } from "../schemas.ts";
import { itemPage, listQuery, pageAnswer, pageSchema } from "./lists.ts";

export const placeOperations = [
  operation({
    id: "listTargets",
    method: "get",
    path: "/targets",
    tag: "See",
    summary: "Targets of the configuration, and how many certificates each holds.",
    query: listQuery(targetList),
    answer: pageSchema(targetItem),
    async run({ web, search }) {
      const { deployments } = await fleetOf(web).read();
      const byTarget = Map.groupBy(deployments, ({ target }) => target);
      const items = [...web.config().targets.values()].map(({ name, type, agent, responsibility }) => {
        const rows = byTarget.get(name) ?? [];
        const count = (...states: string[]): number => rows.filter(({ state }) => states.includes(state)).length;
        const counts = { current: count("current"), behind: count("behind"), failing: count("failing", "drifted") };
        const answers = { ...responsibility, labels: { ...responsibility.labels } };
        return { target: name, type, agent, certificates: rows.length, ...counts, responsibility: answers };
      });
      return itemPage(targetList, items, search);
    },
  }),
  operation({
    id: "listDeployments",
    method: "get",
    path: "/deployments",
    tag: "See",
    summary: "What each target holds of each certificate, worst first.",
    query: listQuery(deploymentList),
    answer: pageSchema(deploymentItem),
    run: async ({ web, search }) =>
      pageAnswer(
        pageOf(deploymentList, (await fleetOf(web).read()).deployments, readQuery(deploymentList, search)),
        toDeployment,
      ),
  }),
  operation({
    id: "listEndpoints",
    method: "get",
    path: "/endpoints",
    tag: "See",
    summary: "Where clients meet the certificates, worst first.",
    query: listQuery(endpointList),
    answer: pageSchema(endpointItem),
    run: async ({ web, search }) =>
      pageAnswer(
        pageOf(endpointList, (await fleetOf(web).read()).endpoints, readQuery(endpointList, search)),
        toEndpoint,
      ),
  }),
];
