/** Which conversation a chat completion belongs to, by the official client. */
import assert from 'node:assert/strict';
import type OpenAI from 'openai';
import { itInFull } from '../../helpers/full.ts';
import type { TestGateway } from '../../helpers/gateway.ts';
import { startOpenAiGateway } from '../../helpers/openai-gateway.ts';
import { calling } from '../../helpers/replies.ts';
import { playTeam } from '../../helpers/team-script.ts';
import type { World } from '../../helpers/world.ts';

const FILE = { path: 'x.txt', content: 'hi' };

describe('[G05] conversations of chat completions', function () {
  this.timeout(300_000);
  let world: World;
  let gateway: TestGateway;
  let client: OpenAI;

  before(async () => {
    ({ world, gateway, client } = await startOpenAiGateway());
  });
  after(async () => {
    await gateway.kill();
    await world.stop();
  });
  beforeEach(() => playTeam(world.model, { answer: 'four and two are six' }));

  itInFull('chat completions at once are conversations of their own, and one of a key is one', async () => {
    const ask = (key?: string) =>
      client.chat.completions.create(
        { model: 'default', messages: [{ role: 'user', content: 'all at once' }] },
        key === undefined ? {} : { headers: { 'idempotency-key': key } },
      );
    const all = await Promise.all([ask(), ask(), ask(), ask('same'), ask('same')]);
    const again = await ask('same');
    assert.equal(new Set(all.map(({ id }) => id)).size, 4);
    assert.deepEqual([all[3]?.id, again.id], [all[4]?.id, all[4]?.id]);
    const messages: OpenAI.ChatCompletionMessageParam[] = [
      { role: 'user' as const, content: 'all at once' },
      { role: 'assistant' as const, content: 'four and two are six' },
      { role: 'user' as const, content: 'Go on' },
    ];
    const goOn = () =>
      client.chat.completions.create({ model: 'default', messages }, { headers: { 'idempotency-key': 'goes on' } });
    assert.equal((await goOn()).id, (await goOn()).id);
    const branch = async (content: string) =>
      await client.chat.completions.create({
        model: 'default',
        messages: [...messages.slice(0, 2), { role: 'user', content }],
      });
    playTeam(world.model, { answer: 'four and two are six', wordDelayMs: 300 });
    const branches = await Promise.all([branch('left'), branch('right')]);
    assert.notEqual(branches[0].id, branches[1].id);
    for (const { id } of branches) {
      const said = (await world.copilot.session(id.replace('chatcmpl-', '')).transcript()).messages;
      assert.equal(said.length, 4, JSON.stringify(said));
    }
  });

  itInFull('finds the 22nd chat completion that begins with the same words', async () => {
    const first = { role: 'user' as const, content: 'hi' };
    const said = { role: 'assistant' as const, content: 'four and two are six' };
    const ask = (...more: OpenAI.ChatCompletionMessageParam[]) =>
      client.chat.completions.create({ model: 'default', messages: [first, ...more] });
    for (let n = 0; n < 21; n += 3) await Promise.all([ask(), ask(), ask()]);
    // So that the others are not the same conversation.
    for (let n = 0; n < 21; n++) await ask(said, { role: 'user', content: `other ${n}` });
    const { id } = await ask();
    const next = { role: 'user' as const, content: 'mine' };
    assert.equal((await ask(said, next)).id, id);
    assert.equal((await ask(said, next, said, { role: 'user', content: 'mine too' })).id, id);
  });

  itInFull('goes on with a chat completion whose answer came with a tool, or was a question', async () => {
    playTeam(world.model, {
      instead: ({ lastRole, messages }) => {
        const text = messages.findLast(([role]) => role === 'user')?.[1] ?? '';
        if (lastRole === 'tool') return undefined;
        if (text.includes('write it')) return { text: 'Let me write it.', ...calling(['write_file', FILE]) };
        return text.includes('paint it') ? calling(['ask_user', { question: 'Which colour?' }]) : undefined;
      },
    });
    const say = async (messages: OpenAI.ChatCompletionMessageParam[], content: string): Promise<string[]> => {
      messages.push({ role: 'user', content });
      let [id, text] = ['', ''];
      for await (const chunk of await client.chat.completions.create({ model: 'default', messages, stream: true })) {
        id = chunk.id;
        text += chunk.choices[0]?.delta.content ?? '';
      }
      messages.push({ role: 'assistant', content: text });
      return [id, text];
    };
    const writing: OpenAI.ChatCompletionMessageParam[] = [];
    const [written, answer] = await say(writing, 'write it');
    assert.equal(answer, 'Let me write it.\n\ndone');
    assert.deepEqual(await say(writing, 'and then?'), [written, 'done']);
    assert.deepEqual(await say(writing, 'and now?'), [written, 'done']);
    const painting: OpenAI.ChatCompletionMessageParam[] = [];
    const [painted, question] = await say(painting, 'paint it');
    assert.equal(question, 'Which colour?');
    assert.deepEqual(await say(painting, 'blue'), [painted, 'done']);
    assert.deepEqual(await say(painting, 'thanks'), [painted, 'done']);
    assert.equal((await world.copilot.session((painted ?? '').replace('chatcmpl-', '')).turns()).length, 2);
  });
});
