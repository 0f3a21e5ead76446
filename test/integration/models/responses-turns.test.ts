/** Turns over the Responses API: a form, an interrupt in mid-stream, and a stand-in that this project did not write. */
import assert from 'node:assert/strict';
import { LLMock } from '@copilotkit/aimock';
import { type ApiRequest, startApiServer } from '../../helpers/api-server.ts';
import { startWorldOf } from '../../helpers/own-team.ts';
import { call, events, type Item, message, reasoning, ResponsesRules } from '../../helpers/responses-api.ts';
import { itInFull } from '../../helpers/full.ts';
import { useServerSessions } from '../../helpers/server-sessions.ts';

const TEAM = { agents: { writer: { tools: ['calculate'] } } };
const CITY = {
  type: 'object',
  properties: { city: { type: 'string' }, population: { type: 'integer' } },
  required: ['city', 'population'],
  additionalProperties: false,
};

describe('turns over the Responses API', function () {
  this.timeout(300_000);
  const sessions = useServerSessions(
    { default: TEAM, form: { agents: { writer: { ...TEAM.agents.writer, output: CITY } } } },
    { env: { COPILOT_MODEL_API: 'responses' } },
  );
  const rules = new ResponsesRules();
  let made = 0;

  /** Items that are thought about first. The stand-in refuses every item that does not come back where it belongs. */
  const thought = (...items: Item[]): Item[] =>
    items.flatMap((item) => [reasoning(`rs_${++made}`, `secret ${made}`), item]);
  const said = (text: string): Item[] => thought(message(text, `msg_${++made}`));
  const refusal = ({ body }: ApiRequest) => rules.refusal(body.input as Item[]);

  itInFull(
    '[M02] [M03] an answer in a form, after a tool, in this turn and the next; a wrong one is repaired once',
    async () => {
      const respond = (request: ApiRequest, index: number) => {
        const refused = refusal(request);
        if (refused) return refused;
        if (index === 1)
          return rules.answer(thought(call(`call_${++made}`, 'calculate', '{"expression":"800000 + 1"}')));
        return rules.answer(said(index === 2 ? 'Turin is a city.' : '{"city":"Turin","population":800001}'));
      };
      const { session, turn, bodies } = await sessions.ask(respond, { team: 'form' });
      assert.deepEqual(
        [turn.status, turn.reply],
        ['completed', '{"city":"Turin","population":800001}'],
        turn.error?.message,
      );
      assert.equal(bodies.length, 3);
      for (const body of bodies) assert.equal(body.text.format.type, 'json_schema');
      const before = rules.returned;
      const again = await sessions.ask(respond, { session, text: 'And now?' });
      assert.equal(again.turn.status, 'completed', again.turn.error?.message);
      assert.ok(rules.returned > before, 'reasoning of the first turn went back');
    },
  );

  it('[M02] [M03] an interrupt in mid-stream keeps the text, and no reasoning without what followed it', async () => {
    const [thinking, text] = said('One, two, three, four');
    assert.ok(thinking && text);
    // Everything up to the end of the text, which never comes.
    const begun = events([thinking, text]).slice(0, -2);
    const session = await sessions.world.copilot.create({ mode: 'one-shot' });
    const asked = sessions.ask(
      (request, index) => refusal(request) ?? (index > 1 ? rules.answer(said('five')) : { events: begun, hangs: true }),
      { session, text: 'Count' },
    );
    let seen = '';
    for await (const event of session.follow({ from: 0 })) {
      if (event.type === 'token') seen += event.text;
      if (seen.includes('four')) break;
    }
    await session.interrupt({ reason: 'enough' });
    const { turn } = await asked;
    assert.deepEqual([turn.status, turn.reply.trim()], ['interrupted', 'One, two, three, four']);
    const next = await session.send('Go on');
    assert.deepEqual([next.status, next.reply], ['completed', 'five'], next.error?.message);
    const sent = JSON.stringify(sessions.api.requests.at(-1)?.body.input);
    assert.match(sent, /One, two, three, four/);
    assert.doesNotMatch(sent, /encrypted_content/);
  });
});

describe('a stand-in for the Responses API that this project did not write', function () {
  this.timeout(300_000);

  itInFull('[M02] a turn with two tools at a time, reasoning that goes back encrypted, and the next turn', async () => {
    const standIn = await LLMock.create({ port: 0, chunkSize: 9 });
    // In between, because the stand-in notes requests in a form of its own.
    const api = await startApiServer(async ({ path, body }) => {
      const answer = await fetch(standIn.url + path, { method: 'POST', body: JSON.stringify(body) });
      const type = answer.headers.get('content-type') ?? '';
      return { status: answer.status, headers: { 'content-type': type }, body: await answer.text() };
    });
    const world = await startWorldOf(
      { default: { ...TEAM, team: { model: 'o4-mini' } } },
      { env: { OPENAI_BASE_URL: `${api.url}/v1`, COPILOT_MODEL_API: 'responses' } },
    );
    try {
      standIn.on(
        { hasToolResult: false, userMessage: 'How much' },
        {
          content: 'Let me see. ',
          reasoning: 'Two sums.',
          toolCalls: [
            { id: 'call_a', name: 'calculate', arguments: { expression: '19 * 23' } },
            { id: 'call_b', name: 'calculate', arguments: { expression: '2 + 5' } },
          ],
        },
      );
      standIn.on({ hasToolResult: true, userMessage: 'How much' }, { content: '437 and 7. 🦜', reasoning: 'Done.' });
      standIn.on({ userMessage: 'And' }, { content: 'That is all.' });
      const session = await world.copilot.create({ mode: 'one-shot' });
      const turn = await session.send('How much is 19 * 23, and 2 + 5?');
      assert.deepEqual(
        [turn.status, turn.reply, turn.usage.toolCalls],
        ['completed', '437 and 7. 🦜', 2],
        turn.error?.message,
      );
      assert.equal((await session.send('And that?')).reply, 'That is all.');
      const bodies = api.requests.map(({ path, body }) => {
        assert.equal(path, '/v1/responses');
        return body as { input: Item[]; store: boolean };
      });
      assert.deepEqual(
        bodies.map(({ store, input }) => [store, input.filter(({ type }) => type === 'function_call_output').length]),
        [
          [false, 0],
          [false, 2],
          [false, 0],
        ],
      );
      const kinds = bodies[1]?.input.map(({ type, role }) => type ?? role);
      assert.deepEqual(kinds, [
        'user',
        'reasoning',
        'message',
        'function_call',
        'function_call',
        'function_call_output',
        'function_call_output',
      ]);
      assert.equal(typeof bodies[1]?.input[1]?.['encrypted_content'], 'string');
      assert.deepEqual(
        bodies[1]?.input.slice(-2).map(({ output }) => output),
        ['437', '7'],
      );
    } finally {
      await world.stop();
      await api.close();
      await standIn.stop();
    }
  });
});
