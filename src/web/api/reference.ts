import { html } from "hono/html";
import { ERRORS } from "../../domain/errorTable.ts";
import { assetUrl } from "../assets/index.ts";
import type { ApiDocument, DocumentedOperation, DocumentedParameter } from "./document.ts";
import { TAGS } from "./operation.ts";

type Html = ReturnType<typeof html>;

/** The document, for people to read: without a script, so that it is read with what is at hand. */
export function referencePage(document: ApiDocument, version: string): Html {
  const all = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );
  const tags = Object.entries(TAGS).map(([tag, about]) => {
    const own = all.filter(({ operation }) => operation.tags.includes(tag));
    return html`<section>
      <h2 id="${tag}">${tag}</h2>
      <p>${about}</p>
      ${own.map(({ path, method, operation }) => operationPart(method, path, operation))}
    </section>`;
  });
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width" />
        <title>renewd: HTTP API</title>
        <link rel="icon" type="image/svg+xml" href="${assetUrl("renewd.svg", version)}" />
        <link rel="stylesheet" href="${assetUrl("renewd.css", version)}" />
      </head>
      <body>
        <main class="reference">
          <h1>HTTP API</h1>
          <p>
            ${String((document.info as { description?: unknown }).description ?? "")} The same as OpenAPI
            ${document.openapi}: <a href="/api/v1/openapi.json">openapi.json</a>.
          </p>
          <pre><code>curl -H "Authorization: Bearer $(cat data/api.token)" http://127.0.0.1:8280/api/v1/certificates</code></pre>
          <nav aria-label="Operations">
            <ul>
              ${all.map(
                ({ path, method, operation }) =>
                  html`<li><a href="#${operation.operationId}"><code>${method.toUpperCase()} ${path}</code></a></li>`,
              )}
            </ul>
          </nav>
          ${tags}
          <section>
            <h2 id="schemas">Schemas</h2>
            ${Object.entries(document.components.schemas).map(
              ([name, schema]) => html`<details id="schema-${name}">
                <summary><code>${name}</code></summary>
                <pre><code>${JSON.stringify(schema, null, 2)}</code></pre>
              </details>`,
            )}
          </section>
          <section>
            <h2 id="errors">Error codes</h2>
            <dl>
              ${Object.entries(ERRORS).map(
                ([code, { action }]) => html`<dt id="${code}"><code>${code}</code></dt><dd>${action}</dd>`,
              )}
            </dl>
          </section>
        </main>
      </body>
    </html>`;
}

function operationPart(method: string, path: string, operation: DocumentedOperation): Html {
  const { operationId, summary, description, parameters = [], requestBody, responses } = operation;
  const [status = "200"] = Object.keys(responses);
  return html`<article id="${operationId}">
    <h3><code>${method.toUpperCase()} /api/v1${path}</code></h3>
    <p>${summary}${description === undefined ? "" : ` ${description}`}</p>
    ${parameters.length === 0 ? "" : parameterTable(parameters)}
    ${requestBody === undefined ? "" : html`<p>Body: ${schemaPart(requestBody)}</p>`}
    <p>Answer ${status}: ${schemaPart(responses[status] ?? {})}</p>
  </article>`;
}

function parameterTable(parameters: readonly DocumentedParameter[]): Html {
  return html`<table>
    <thead>
      <tr>
        <th scope="col">Parameter</th>
        <th scope="col">In</th>
        <th scope="col">Schema</th>
        <th scope="col">Meaning</th>
      </tr>
    </thead>
    <tbody>
      ${parameters.map(
        ({ name, in: where, required, description = "", schema }) => html`<tr>
          <th scope="row"><code>${name}</code>${required === true ? " (required)" : ""}</th>
          <td>${where}</td>
          <td><code>${JSON.stringify(schema)}</code></td>
          <td>${description}</td>
        </tr>`,
      )}
    </tbody>
  </table>`;
}

function schemaPart(part: Readonly<Record<string, unknown>>): Html {
  const text = JSON.stringify(part);
  const name = /"\$ref":"#\/components\/schemas\/(\w+)"/.exec(text)?.[1];
  if (name !== undefined) return html`<a href="#schema-${name}"><code>${name}</code></a>`;
  const content = Object.values((part.content ?? {}) as Readonly<Record<string, { schema?: unknown }>>)[0];
  return html`<code>${JSON.stringify(content?.schema ?? {})}</code>`;
}
