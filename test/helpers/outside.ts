/** Signals to a session from those who have none of our code: the plain `temporal` CLI and the Web UI. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { cachedServerFile } from '../../src/server/program.ts';
import { isolatedConfig, type TestServer } from './server.ts';

/** The program `temporal` that a user has. */
export function temporalCli(server: TestServer): string {
  return process.env['TEMPORAL_CLI'] ?? cachedServerFile(isolatedConfig(server.homeDir));
}

/** As `temporal workflow signal` does. @throws Error with its output where the server refuses */
export async function signalByTemporalCli(server: TestServer, id: string, name: string, input?: object): Promise<void> {
  const args = ['workflow', 'signal', '--address', server.address, '--workflow-id', id, '--name', name];
  await promisify(execFile)(temporalCli(server), [
    ...args,
    ...(input === undefined ? [] : ['--input', JSON.stringify(input)]),
  ]);
}

/**
 * As the Web UI's own page does: with the token that the page is given. Where a server has only the HTTP API to which a
 * Web UI passes this on, there is neither. @throws Error where the server refuses
 */
export async function signalByWebUi({ uiUrl }: TestServer, id: string, name: string, input?: object): Promise<void> {
  const page = await fetch(uiUrl);
  const token = /^_csrf=([^;]+)/.exec(page.headers.getSetCookie().find((line) => line.startsWith('_csrf=')) ?? '')?.[1];
  if (token === undefined && page.ok) throw new Error(`The Web UI at ${uiUrl} gave no token (${page.status}).`);
  const data = Buffer.from(JSON.stringify(input ?? {})).toString('base64');
  const encoding = Buffer.from('json/plain').toString('base64');
  const payloads = input === undefined ? [] : [{ metadata: { encoding }, data }];
  const response = await fetch(`${uiUrl}/api/v1/namespaces/default/workflows/${id}/signal/${name}`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(token === undefined ? {} : { cookie: `_csrf=${token}`, 'x-csrf-token': token }),
    },
    body: JSON.stringify({ signalName: name, workflowExecution: { workflowId: id }, input: { payloads } }),
  });
  if (!response.ok) throw new Error(`The Web UI answers ${response.status}: ${await response.text()}`);
}
