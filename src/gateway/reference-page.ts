/** What the gateway's OpenAPI document says, as a page for people. It needs no script and no other file. */
import { createHash } from 'node:crypto';
import { html, raw } from 'hono/html';
import type { ApiDescription, Operation } from './openapi.ts';

const STYLE = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
code, pre { font-family: ui-monospace, monospace; font-size: 0.9em; }
pre { overflow-x: auto; padding: 0.75rem; border-radius: 0.5rem; background: color-mix(in srgb, currentColor 8%, transparent); }
h2 { font-size: 1.1rem; margin: 2.5rem 0 0.25rem; overflow-wrap: anywhere; }
h2 b { display: inline-block; min-width: 4.5rem; }
nav ul { columns: 20rem; padding: 0; list-style: none; }
nav li { overflow-wrap: anywhere; }
`;

/** For the header `Content-Security-Policy` of the page. */
export const REFERENCE_POLICY = `default-src 'none'; style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;

export function referencePage({ paths }: ApiDescription): ReturnType<typeof html> {
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
  );
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>durable-copilot: HTTP requests</title>
        <style>
          ${raw(STYLE)}
        </style>
      </head>
      <body>
        <h1>HTTP requests</h1>
        <p>
          Each needs a key: <code>Authorization: Bearer cpk_…</code>. Errors are <code>application/problem+json</code>.
          For programs: <a href="/openapi.json">OpenAPI 3.1</a>.
        </p>
        <nav aria-label="Requests">
          <ul>
            ${operations.map(
              ({ path, method, operation }) =>
                html`<li>
                  <a href="#${operation.operationId}"><code>${method} ${path}</code></a>
                </li>`,
            )}
          </ul>
        </nav>
        ${operations.map(({ path, method, operation }) => section(method, path, operation))}
      </body>
    </html>`;
}

function section(
  method: string,
  path: string,
  { operationId, summary, parameters, requestBody }: Operation,
): ReturnType<typeof html> {
  return html`<section>
    <h2 id="${operationId}"><b>${method}</b> <code>${path}</code></h2>
    <p>${summary}.</p>
    ${
      parameters.length === 0
        ? ''
        : html`<ul>
            ${parameters.map((one) => html`<li><code>${one.name}</code>, in the ${one.in}${one.required ? '' : ', optional'}</li>`)}
          </ul>`
    }
    ${Object.entries(requestBody?.content ?? {}).map(
      ([media, { schema }]) =>
        html`<details>
          <summary>Body, <code>${media}</code></summary>
          <pre>${JSON.stringify(schema, undefined, 2)}</pre>
        </details>`,
    )}
  </section>`;
}
