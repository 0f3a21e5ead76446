/** Messages that are answered directly. */
import assert from 'node:assert/strict';
import { until } from '../../helpers/history.ts';
import { DIRECT_ROUTE, calling } from '../../helpers/replies.ts';
import { ended, exchange, record } from '../recorder.ts';

const ROUTED = { ...DIRECT_ROUTE, primaryAgent: 'engineer' };
const CITY = {
  type: 'object',
  properties: { city: { type: 'string' } },
  required: ['city'],
  additionalProperties: false,
};

record(
  'handed-off-rated-completed',
  {
    team: { agents: { engineer: { handoffs: ['writer'], tools: [] } } },
    script: {
      instead: ({ phase, lastRole, system }) => {
        if (phase === 'routing') return { json: ROUTED };
        return system.includes('I am the engineer') && lastRole === 'user'
          ? calling(['remember', { key: 'city', value: 'Ulm' }], ['transfer_to_writer', {}])
          : undefined;
      },
    },
  },
  async ({ create }) => {
    const session = await create({ mode: 'copilot' });
    const turn = await exchange(session, 'words');
    await session.rate(5, { by: 'ada', comment: 'good' });
    await session.rate(1, { turnId: turn.id });
    await session.complete();
  },
);

record(
  'asked-back',
  {
    script: {
      instead: ({ phase, last }) =>
        phase === 'routing' && !last.includes('Ulm')
          ? { json: { ...ROUTED, route: 'clarify', questions: ['Which city?'] } }
          : undefined,
    },
  },
  async ({ create }) => {
    const session = await create({ mode: 'copilot' });
    await exchange(session, 'weather?', 'awaiting-input');
    await exchange(session, 'Ulm');
    await exchange(session, 'and the wind?', 'awaiting-input');
    const [request] = await session.requests();
    await session.decide(request?.id ?? '', 'answer', { by: 'ada', text: 'in Ulm, too' });
    await ended(session, 'turn-2');
  },
);

record(
  'answer-empty',
  { script: { instead: ({ last }) => (last === 'hello' ? {} : undefined) } },
  async ({ create }) => void (await exchange(await create(), 'hello')),
);

record(
  'answer-empty-twice',
  { script: { instead: () => ({}) } },
  async ({ create }) => void (await exchange(await create(), 'hello', 'failed')),
);

record(
  'output-corrected',
  {
    team: { agents: { writer: { output: CITY } } },
    script: { instead: ({ messages }) => ({ text: messages.length > 1 ? '{"city": "Ulm"}' : 'It is Ulm.' }) },
  },
  async ({ create }) => void (await exchange(await create(), 'which city?')),
);

record(
  'output-not-corrected',
  { team: { agents: { writer: { output: CITY } } }, script: { answer: 'It is Ulm.' } },
  async ({ create }) => void (await exchange(await create(), 'which city?', 'failed')),
);

record(
  'tools-side-by-side',
  {
    script: {
      instead: ({ lastRole }) =>
        lastRole === 'user'
          ? calling(
              ['write_file', { path: 'a.txt', content: 'a' }],
              ['write_file', { path: 'b.txt', content: 'b' }],
              ['read_file', { path: 'none.txt' }],
              ['no_such_tool', {}],
            )
          : undefined,
    },
  },
  async ({ create }) => void (await exchange(await create(), 'write two')),
);

const MCP = {
  team: {
    answering: { agent: 'engineer' },
    // A stored history names no folder of the machine that recorded it.
    mcp: {
      everything: {
        command: 'node',
        args: ['node_modules/@modelcontextprotocol/server-everything/dist/index.js'],
        effects: 'none' as const,
      },
    },
  },
  agents: { engineer: { tools: ['everything.*'] } },
};

record(
  'mcp-tools-called',
  {
    team: MCP,
    script: {
      instead: ({ lastRole }) =>
        lastRole === 'user'
          ? calling(['everything.echo', { message: 'hi' }], ['everything.get-sum', { a: 2, b: 40 }])
          : undefined,
    },
  },
  async ({ create }) => void (await exchange(await create(), 'use them')),
);

record(
  'tool-stopped-by-suspend',
  {
    team: MCP,
    script: {
      instead: ({ lastRole }) =>
        lastRole === 'user'
          ? calling(['everything.trigger-long-running-operation', { duration: 6, steps: 1 }])
          : undefined,
    },
  },
  async ({ create, temporal, name }) => {
    const session = await create();
    await session.send('operate', { wait: false });
    await until('a running tool', async () => {
      const { raw } = await temporal.workflow.getHandle(name).describe();
      return raw.pendingActivities?.some(({ activityType }) => activityType?.name === 'copilotRunTool');
    });
    await session.suspend({ reason: 'a break', now: true });
    await ended(session, 'turn-1', 'suspended');
    await session.continue();
    await ended(session);
  },
);

record('provider-failing', {}, async ({ create, play }) => {
  let calls = 0;
  play({ instead: () => ((calls += 1) <= 1 ? { status: 503, headers: { 'retry-after': '1' } } : undefined) });
  await exchange(await create(), 'hello');
});

record('model-rejected-continued', {}, async ({ create, play }) => {
  const write = (path: string) => calling(['write_file', { path, content: 'x' }]);
  play({
    instead: ({ lastRole }) =>
      lastRole === 'user' ? write('a.txt') : { status: 401, error: { message: 'no such key' } },
  });
  const session = await create();
  const turn = await exchange(session, 'write', 'failed');
  assert.equal(turn.error?.type, 'ModelRejected');
  play({ instead: ({ lastRole }) => (lastRole === 'user' ? write('b.txt') : undefined) });
  await session.continue();
  await ended(session);
});
