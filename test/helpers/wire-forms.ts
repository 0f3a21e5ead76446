/** A world whose teams ask one scripted server in three forms: chat completions, Responses, and the AI SDK with Anthropic's API. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { packageDir } from '../../src/package-info.ts';
import { type ApiAnswer, type ApiRequest, type ApiServer, startApiServer } from './api-server.ts';
import { startWorldOf, type TeamChanges } from './own-team.ts';
import type { World } from './world.ts';

export const WIRE_FORMS = ['chat', 'responses', 'anthropic'] as const;
export type WireForm = (typeof WIRE_FORMS)[number];

export interface FormsWorld extends World {
  readonly api: ApiServer;
}

const moduleUrl = (path: string): string => JSON.stringify(pathToFileURL(join(packageDir, path)).href);

const configFile = (url: string): string => `
import { defineConfig } from ${moduleUrl('src/config-file.ts')};
import { aiSdk } from ${moduleUrl('src/models/index.ts')};
import { createAnthropic } from ${moduleUrl('node_modules/@ai-sdk/anthropic/dist/index.js')};
export default defineConfig({
  providers: {
    chat: { baseUrl: '${url}/v1', apiKey: 'k' },
    responses: { baseUrl: '${url}/v1', apiKey: 'k', api: 'responses' },
    anthropic: aiSdk(createAnthropic({ baseURL: '${url}/v1', apiKey: 'k' })),
  },
  defaultProvider: 'chat',
});
`;

/** Each form has a team of its name. @param changes what all of them have besides */
export async function startFormsWorld(
  answer: (request: ApiRequest) => ApiAnswer,
  { team = {}, agents = {} }: TeamChanges = {},
): Promise<FormsWorld> {
  const api = await startApiServer(answer);
  const cwd = await mkdtemp(join(tmpdir(), 'copilot-config-'));
  await writeFile(join(cwd, 'copilot.config.ts'), configFile(api.url));
  const teams = WIRE_FORMS.map((name) => [name, { team: { ...team, model: `${name}/m` }, agents }]);
  const world = await startWorldOf(Object.fromEntries(teams) as Record<WireForm, TeamChanges>, { cwd });
  const stop = world.stop.bind(world);
  return Object.assign(world, {
    api,
    stop: async () => {
      await stop();
      await Promise.all([api.close(), rm(cwd, { recursive: true })]);
    },
  });
}

/** What Anthropic's API sends: perhaps a thought, then a text or calls of tools. */
export function anthropicReply({
  thought,
  text,
  calls = [],
}: {
  thought?: string;
  text?: string;
  calls?: readonly { id: string; name: string; input: object }[];
}): ApiAnswer {
  const blocks: [object, object][] = [
    ...(thought === undefined
      ? []
      : [
          [
            { type: 'thinking', thinking: '' },
            { type: 'thinking_delta', thinking: thought },
          ] satisfies [object, object],
        ]),
    ...(text === undefined
      ? []
      : [
          [
            { type: 'text', text: '' },
            { type: 'text_delta', text },
          ] satisfies [object, object],
        ]),
    ...calls.map(({ id, name, input }): [object, object] => [
      { type: 'tool_use', id, name, input: {} },
      { type: 'input_json_delta', partial_json: JSON.stringify(input) },
    ]),
  ];
  return {
    events: [
      { type: 'message_start', message: { id: 'm', model: 'claude', usage: { input_tokens: 3, output_tokens: 1 } } },
      ...blocks.flatMap(([start, delta], index) => [
        { type: 'content_block_start', index, content_block: start },
        { type: 'content_block_delta', index, delta },
        { type: 'content_block_stop', index },
      ]),
      {
        type: 'message_delta',
        delta: { stop_reason: calls.length > 0 ? 'tool_use' : 'end_turn' },
        usage: { output_tokens: 9 },
      },
      { type: 'message_stop' },
    ],
  };
}
