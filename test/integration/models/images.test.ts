/** Images of people and of tools, through the product, in each form in which servers take them. */
import assert from 'node:assert/strict';
import { copyFile, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { SessionHandle } from '../../../src/client.ts';
import type { ApiAnswer, ApiRequest } from '../../helpers/api-server.ts';
import { said } from '../../helpers/chat-answers.ts';
import { runCli } from '../../helpers/cli.ts';
import { fails } from '../../helpers/client.ts';
import { itInFull, someOf } from '../../helpers/full.ts';
import { encodeEvent, fullHistory } from '../../helpers/history.ts';
import { stdioServer } from '../../helpers/mcp.ts';
import { call, message, ResponsesRules } from '../../helpers/responses-api.ts';
import { temporaryFolder } from '../../helpers/server.ts';
import { anthropicReply, type FormsWorld, startFormsWorld, WIRE_FORMS } from '../../helpers/wire-forms.ts';
import { programEnvironment } from '../../helpers/worker.ts';

/** One pixel each: red, and a second picture with other bytes behind the first. */
const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==',
  'base64',
);
const GIF = Buffer.from('R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7', 'base64');

type Body = ApiRequest['body'];

/** The images of a request in the order in which they stand, as `media type;data`, whatever the form. */
function imagesIn(body: Body): string[] {
  const found: string[] = [];
  JSON.stringify(body.messages ?? body.input, (key, value: unknown) => {
    if (typeof value === 'string' && value.startsWith('data:'))
      found.push(value.slice('data:'.length).replace('base64,', ''));
    if (key === 'source' && typeof value === 'object' && value !== null && 'media_type' in value && 'data' in value)
      found.push(`${String(value.media_type)};${String(value.data)}`);
    return value;
  });
  return found;
}

const shownAs = (type: string, bytes: Buffer): string => `${type};${bytes.toString('base64')}`;

/** A request without the bytes of its images, for a person who reads why a test failed. */
const shortened = (body: Body): string => JSON.stringify(body.messages ?? body.input).replaceAll(/[\w+/=]{100,}/g, '…');

/** Whether a request brings results of tools. */
const hasResults = (body: Body): boolean =>
  /"role":"tool"|"type":"(?:tool_result|function_call_output)"/.test(JSON.stringify(body.messages ?? body.input));

const isTextOnly = (body: Body): boolean => imagesIn(body).length === 0;

describe('images', function () {
  this.timeout(120_000);
  const rules = new ResponsesRules();
  let world: FormsWorld;
  let folder: string;
  let png: string;
  let respond: (request: ApiRequest, call: number) => ApiAnswer;
  let from = 0;
  let made = 0;

  before(async () => {
    folder = await temporaryFolder();
    png = join(folder, 'picture.png');
    await writeFile(png, PNG);
    await writeFile(join(folder, 'animation.txt'), GIF);
    world = await startFormsWorld((request) => respond(request, world.api.requests.length - from), {
      team: { mcp: { everything: stdioServer('everything', { effects: 'none' }) }, planning: { agent: 'planner' } },
      agents: {
        writer: { tools: ['read_file', 'list_files', 'ask_user', 'everything.get-tiny-image', 'everything.echo'] },
      },
    });
  });
  after(async () => {
    await world.stop();
    await rm(folder, { recursive: true });
  });

  /** From now on the server answers in this way, and `bodies` begins here. */
  function play(given: typeof respond): void {
    respond = given;
    from = world.api.requests.length;
  }
  const bodies = (): Body[] => world.api.requests.slice(from).map(({ body }) => body);

  /** A reply in the form in which the request came. */
  function reply({ path }: ApiRequest, text: string): ApiAnswer {
    if (path.endsWith('/responses')) return rules.answer([message(text, `msg_${(made += 1)}`)]);
    return path.endsWith('/messages') ? anthropicReply({ text }) : said({ content: text });
  }

  function toolCalls({ path }: ApiRequest, names: readonly string[], input: object = {}): ApiAnswer {
    const calls = names.map((name) => ({ id: `call_${(made += 1)}`, name, input }));
    if (path.endsWith('/responses'))
      return rules.answer(calls.map(({ id, name }) => call(id, name, JSON.stringify(input))));
    if (path.endsWith('/messages')) return anthropicReply({ calls });
    const wire = calls.map(({ id, name }, index) => ({
      index,
      id,
      type: 'function',
      function: { name, arguments: JSON.stringify(input) },
    }));
    return said({ content: null, tool_calls: wire }, 'tool_calls');
  }

  /** The name of a tool as this request offers it. */
  function offered({ body }: ApiRequest, name: string): string {
    const tools = body.tools as { name?: string; function?: { name: string } }[];
    const names = tools.map((tool) => tool.function?.name ?? tool.name ?? '');
    return names.find((wire) => wire.endsWith(name)) ?? name;
  }

  /** All of the history's bytes: a payload is JSON in it. */
  async function historyOf({ id }: SessionHandle): Promise<string> {
    const events = await fullHistory(world.temporal, id);
    return events.map((event) => Buffer.from(encodeEvent(event)).toString('latin1')).join('\n');
  }

  const workspaceOf = ({ id }: SessionHandle): string => join(world.server.homeDir, 'workspaces', id);

  for (const team of someOf(WIRE_FORMS, 1)) {
    it(`[M16] of people reach a model over ${team}; history, transcript and export have references`, async () => {
      play((request) => reply(request, 'I see it.'));
      const session = await world.copilot.create({ team, mode: 'one-shot', attach: [png], message: 'What is this?' });
      await session.awaitTurn('turn-1');
      await session.send('And this?', { attach: [join(folder, 'animation.txt')] });
      const [first, second] = bodies();
      assert.deepEqual(imagesIn(first), [shownAs('image/png', PNG)]);
      assert.deepEqual(imagesIn(second), [shownAs('image/png', PNG), shownAs('image/gif', GIF)]);
      const history = await historyOf(session);
      assert.ok(history.includes('picture.png'), 'the reference is there');
      assert.ok(!history.includes(PNG.toString('base64').slice(0, 40)));
      const { conversation } = await session.export();
      assert.deepEqual(
        conversation.map((said) =>
          'images' in said ? said.images?.map(({ path, mediaType, bytes }) => [path, mediaType, bytes]) : [],
        ),
        [[['picture.png', 'image/png', PNG.length]], [], [['animation.txt', 'image/gif', GIF.length]], []],
      );
      assert.match(
        (await runCli(['transcript', session.id], programEnvironment(world.server))).stdout,
        /What is this\?\n\[image picture\.png, image\/png, \d+ bytes\]/,
      );
    });

    it(`[M16] of tools reach a model over ${team}, behind all results of the round where results take text only`, async () => {
      // Asked again for the same round, the server gives the same calls.
      play((request) =>
        !hasResults(request.body)
          ? toolCalls(
              request,
              ['get-tiny-image', 'get-tiny-image', 'list_files'].map((name) => offered(request, name)),
            )
          : reply(request, 'A tiny image.'),
      );
      const session = await world.copilot.create({ team, mode: 'one-shot' });
      const turn = await session.send('Draw it');
      assert.equal(turn.status, 'completed', turn.error?.message);
      const body = bodies().at(-1);
      const images = imagesIn(body);
      assert.equal(images.length, 2, shortened(body));
      const [artifact = ''] = turn.artifacts;
      assert.match(artifact, /^tool-output\/[0-9a-f]{16}\.png$/);
      const bytes = await readFile(join(workspaceOf(session), artifact));
      assert.deepEqual(
        images,
        Array.from({ length: 2 }, () => shownAs('image/png', bytes)),
      );
      if (team === 'chat') {
        assert.deepEqual(
          (body.messages as { role: string }[]).slice(-5).map(({ role }) => role),
          ['assistant', 'tool', 'tool', 'tool', 'user'],
        );
      }
      assert.ok(!(await historyOf(session)).includes(bytes.toString('base64').slice(0, 40)));
    });
  }

  it('[M16] a model that takes none gets a line that says so, and is never asked with one again', async () => {
    play((request) =>
      isTextOnly(request.body)
        ? reply(request, 'I cannot see.')
        : { status: 400, body: { error: { message: 'This model does not support image input.' } } },
    );
    const team = 'chat';
    const session = await world.copilot.create({
      team,
      mode: 'one-shot',
      config: { agents: { writer: { model: 'chat/blind' } } },
    });
    assert.equal((await session.send('What is this?', { attach: [png] })).reply, 'I cannot see.');
    await session.send('Sure?');
    assert.deepEqual(bodies().map(isTextOnly), [false, true, true]);
    assert.match(
      JSON.stringify(bodies()[2].messages),
      /What is this\?\\n\\n\[1 image left out, since the model's server does not take it: picture\.png\.\]/,
    );
  });

  it('[M16] an image that is gone, or is another one now, is a line; forks and imports go on without it', async () => {
    play((request) => reply(request, 'Fine.'));
    const session = await world.copilot.create({ team: 'chat', mode: 'one-shot', attach: [png] });
    const other = join(folder, 'other.png');
    await copyFile(png, other);
    await session.send('What are these?', { attach: [other] });
    assert.equal(imagesIn(bodies()[0]).length, 2);
    await rm(join(workspaceOf(session), 'picture.png'));
    await writeFile(join(workspaceOf(session), 'other.png'), Buffer.concat([PNG, PNG]));
    assert.equal((await session.send('Still there?')).reply, 'Fine.');
    const text = JSON.stringify(bodies()[1].messages);
    assert.ok(text.includes('[Image picture.png is not shown: its file cannot be read any more.]'), text);
    assert.ok(text.includes('[Image other.png is not shown: its file has changed since.]'), text);
    const exported: unknown = JSON.parse(JSON.stringify(await session.export()));
    for (const copy of [await session.fork(), await world.copilot.import(exported)]) {
      assert.equal((await copy.send('And here?')).reply, 'Fine.');
      assert.match(JSON.stringify(bodies().at(-1).messages), /picture\.png is not shown.*other\.png is not shown/);
    }
  });

  it('[M16] a link out of the workspace in the place of an image shows nothing', async () => {
    play((request) => reply(request, 'Fine.'));
    const session = await world.copilot.create({ team: 'chat', mode: 'one-shot', attach: [png], message: 'Look' });
    await session.awaitTurn('turn-1');
    await rm(join(workspaceOf(session), 'picture.png'));
    await symlink(png, join(workspaceOf(session), 'picture.png'));
    await session.send('Again');
    assert.deepEqual(imagesIn(bodies()[1]), []);
  });

  itInFull('[M16] planner and steps see the images of the message', async () => {
    const plan = { steps: [{ agent: 'writer', task: 'Describe it', notes: '', alongside: false }] };
    play((request) => {
      const { body } = request;
      if (body.response_format) return reply(request, JSON.stringify(plan));
      return body.tools
        ? toolCalls(request, ['report_step'], { status: 'done', summary: 'a red pixel' })
        : reply(request, 'Done.');
    });
    const session = await world.copilot.create({ team: 'chat', mode: 'planning-control', attach: [png] });
    const turn = await session.send('Plan what to do with it');
    assert.equal(turn.status, 'completed', turn.error?.message);
    assert.deepEqual(
      bodies().map((body) => imagesIn(body).length),
      [1, 1, 0],
    );
  });

  itInFull('[M16] an answer to a question may bring one, and read_file shows one', async () => {
    play((request, number) => {
      if (number === 1) return toolCalls(request, ['ask_user'], { question: 'Which picture?' });
      if (number === 2) return toolCalls(request, ['read_file'], { path: 'picture.png' });
      return reply(request, 'I see.');
    });
    const session = await world.copilot.create({ team: 'chat', mode: 'one-shot' });
    assert.equal((await session.send('Describe my picture')).status, 'awaiting-input');
    assert.equal((await session.send('This one', { attach: [png] })).reply, 'I see.');
    assert.deepEqual(
      bodies().map((body) => imagesIn(body).length),
      [0, 1, 2],
    );
  });

  it('[M16] one that is too large is refused before anything is copied or sent', async () => {
    const large = join(folder, 'large.jpg');
    await writeFile(large, Buffer.concat([PNG, Buffer.alloc(10 * 1024 * 1024)]));
    const given = { team: 'chat', id: 'too-large', attach: [png, large], message: 'Look' };
    await fails(
      world.copilot.create(given),
      'InvalidInput',
      /attach \(".*large\.jpg"\) is not valid: it is an image of 10485\d+ bytes, and models get at most 10485760/,
    );
    await assert.rejects(readFile(join(world.server.homeDir, 'workspaces/too-large/picture.png')), /ENOENT/);
    const env = programEnvironment(world.server);
    play((request) => reply(request, 'I see it.'));
    const session = await world.copilot.create({ team: 'chat', mode: 'one-shot' });
    const refused = await runCli(['send', session.id, 'Look', '--attach', large], env);
    assert.match(refused.stderr, /it is an image of/);
    const sent = await runCli(['send', session.id, 'Look', '--attach', png, '--wait'], env);
    assert.equal(sent.stdout.trim(), 'I see it.');
    assert.equal(imagesIn(bodies()[0]).length, 1);
  });
});
