/** Files of sessions over HTTP, and files in messages of every protocol. Real server, worker and gateway. */
import assert from 'node:assert/strict';
import { hash, randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { join } from 'node:path';
import { HttpAgent } from '@ag-ui/client';
import { DefaultChatTransport, type UIMessage } from 'ai';
import OpenAI from 'openai';
import type { SessionFile, SessionHandle, WrittenFile } from '../../../src/client.ts';
import { itInFull } from '../../helpers/full.ts';
import { addKey, startGatewayProcess, type TestGateway } from '../../helpers/gateway.ts';
import { playTeam } from '../../helpers/team-script.ts';
import { startWorld, type World } from '../../helpers/world.ts';

const MIB = 1024 * 1024;
/** Of worker and gateway. */
const MAX_FILE_MIB = 4;
const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==',
  'base64',
);
const PNG_URL = `data:image/png;base64,${PNG.toString('base64')}`;
const CSV = Buffer.from('city,litres\nRome,3\n');
const CSV_URL = `data:text/csv;base64,${CSV.toString('base64')}`;

describe('[G07] files of the gateway', function () {
  this.timeout(240_000);
  let world: World;
  let gateway: TestGateway;
  let key: string;
  let otherKey: string;
  let session: SessionHandle;

  before(async () => {
    const limit = { COPILOT_MAX_FILE_MIB: String(MAX_FILE_MIB) };
    world = await startWorld({ env: limit });
    [key, otherKey] = await Promise.all([addKey(world, 'ada'), addKey(world, 'other')]);
    gateway = await startGatewayProcess(world, 0, limit);
  });
  after(async () => {
    await gateway.kill();
    await world.stop();
  });
  beforeEach(async () => {
    playTeam(world.model, { answer: 'seen' });
    session = await world.copilot.create({ mode: 'one-shot', user: 'ada' });
  });

  async function call(method: string, path: string, init: RequestInit = {}, as = key): Promise<Response> {
    const headers = { ...(init.headers as Record<string, string> | undefined), authorization: `Bearer ${as}` }; // ours
    return await fetch(`${gateway.url}/v1/sessions/${session.id}/files${path}`, { ...init, method, headers });
  }
  const escaped = (path: string): string => `/${path.split('/').map(encodeURIComponent).join('/')}`;
  const workspace = (): string => join(world.server.homeDir, 'workspaces', session.id);
  const typeOf = async (response: Response): Promise<[number, unknown]> => [
    response.status,
    ((await response.json()) as { type: unknown }).type,
  ];

  itInFull('are written and deleted only if they are what the caller says of them', async () => {
    const tagOf = async (): Promise<string> => (await call('HEAD', '/draft.txt')).headers.get('etag') ?? assert.fail();
    const put = async (body: string, headers: Record<string, string>): Promise<number> =>
      (await call('PUT', '/draft.txt', { body, headers })).status;
    assert.equal(await put('one', { 'if-match': '*' }), 412, 'there is none yet');
    assert.equal(await put('one', { 'if-none-match': '*' }), 200);
    const first = await tagOf();
    assert.equal(await put('two', { 'if-none-match': '*' }), 412);
    assert.equal(await put('two', { 'if-match': `"other", ${first}` }), 200);
    assert.equal(await put('three', { 'if-match': first }), 412, 'somebody has written meanwhile');
    assert.equal(await put('th', { 'content-range': 'bytes 0-1/5' }), 400);
    assert.equal((await call('DELETE', '/draft.txt', { headers: { 'if-match': first } })).status, 412);
    assert.equal(await (await call('GET', '/draft.txt')).text(), 'two');
    assert.equal((await call('GET', '/draft.txt', { headers: { 'if-none-match': '*' } })).status, 304);
    assert.equal((await call('DELETE', '/draft.txt', { headers: { 'if-match': await tagOf() } })).status, 200);
  });

  it('go up raw or by form, and come down whole, by range, and not again if they are known', async () => {
    const large = randomBytes(3 * MIB + 17);
    const files: readonly [string, Buffer, string][] = [
      ['large.bin', large, 'application/octet-stream'],
      ['notes/größe 100%.txt', Buffer.from('Maße'), 'text/plain; charset=utf-8'],
      ['表.csv', CSV, 'text/csv; charset=utf-8'],
      ['photo.txt', PNG, 'image/png'],
      ['empty', Buffer.alloc(0), 'application/octet-stream'],
    ];
    for (const [path, content, type] of files) {
      const put = await call('PUT', escaped(path), { body: new Uint8Array(content) });
      assert.equal(put.status, 200, await put.clone().text());
      const { path: written, isNew } = (await put.json()) as WrittenFile; // what the route gives
      assert.deepEqual([written, isNew], [path, true]);
      for (const way of [escaped(path), `/${encodeURIComponent(path)}`]) {
        const got = await call('GET', way);
        assert.deepEqual([got.status, got.headers.get('content-type')], [200, type]);
        assert.equal(got.headers.get('content-length'), String(content.length));
        assert.ok(Buffer.from(await got.arrayBuffer()).equals(content), path);
      }
    }
    const list = (await (await call('GET', '')).json()) as SessionFile[]; // what the route gives
    assert.deepEqual(new Set(list.map(({ path }) => path)), new Set(files.map(([path]) => path)));
    const digest = hash('sha256', large);
    const part = await call('GET', '/large.bin', { headers: { range: `bytes=${MIB - 2}-${2 * MIB + 1}` } });
    assert.deepEqual(
      [part.status, part.headers.get('content-range')],
      [206, `bytes ${MIB - 2}-${2 * MIB + 1}/${large.length}`],
    );
    assert.ok(Buffer.from(await part.arrayBuffer()).equals(large.subarray(MIB - 2, 2 * MIB + 2)));
    const stale = await call('GET', '/photo.txt', { headers: { range: 'bytes=0-1', 'if-range': '"other"' } });
    assert.deepEqual([stale.status, (await stale.arrayBuffer()).byteLength], [200, PNG.length]);
    const outside = await call('GET', '/photo.txt', { headers: { range: 'bytes=900-' } });
    assert.deepEqual([outside.status, outside.headers.get('content-range')], [416, `bytes */${PNG.length}`]);
    const known = await call('GET', '/large.bin', { headers: { 'if-none-match': `"${digest}"` } });
    assert.deepEqual([known.status, await known.text()], [304, '']);
    const pinned = await call('GET', `/large.bin?digest=${digest}`);
    assert.match(pinned.headers.get('cache-control') ?? '', /private.*immutable/);
    await pinned.body?.cancel();
    assert.equal((await call('GET', `/photo.txt?digest=${digest}`)).status, 404, 'another content');
    const head = await call('HEAD', '/large.bin');
    assert.deepEqual([head.status, head.headers.get('content-length')], [200, String(large.length)]);

    const headRange = await call('HEAD', '/large.bin', { headers: { range: 'bytes=0-1' } });
    assert.deepEqual([headRange.status, headRange.headers.get('content-length')], [200, String(large.length)]);

    const form = new FormData();
    form.append('file', new File([new Uint8Array(CSV)], 'größe.csv'));
    form.append('file', new File([new Uint8Array(large)], '../../outside.bin'));
    const posted = await call('POST', '', { body: form });
    assert.equal(posted.status, 201);
    const written = (await posted.json()) as WrittenFile[]; // what the route gives
    assert.deepEqual(
      written.map(({ path, bytes }) => [path, bytes]),
      [
        ['größe.csv', CSV.length],
        ['outside.bin', large.length],
      ],
    );
    assert.ok(large.equals(await readFile(join(workspace(), 'outside.bin'))));
    const kept = await call('PUT', '/photo.txt?replace=false', { body: 'other' });
    assert.deepEqual(await typeOf(kept), [409, 'FileExists']);
    assert.deepEqual(await (await call('DELETE', '/photo.txt')).json(), { deleted: true });
    assert.deepEqual(await typeOf(await call('GET', '/photo.txt')), [404, 'FileNotFound']);
  });

  it('never run in a browser in the name of the gateway, whatever they and their names are', async () => {
    await mkdir(workspace(), { recursive: true });
    const names = [
      'page.html',
      'drawing.svg',
      'a"; filename=b.exe',
      'x\r\nset-cookie: a=b',
      'e\u202egnp.exe',
      'code.js',
    ];
    for (const name of names) {
      await writeFile(join(workspace(), name), '<script>alert(1)</script>');
      const { status, headers } = await call('GET', escaped(name));
      assert.equal(status, 200, name);
      assert.match(headers.get('content-security-policy') ?? '', /default-src 'none'; sandbox;/);
      assert.equal(headers.get('x-content-type-options'), 'nosniff');
      assert.equal(headers.get('cross-origin-resource-policy'), 'same-origin');
      assert.match(headers.get('content-disposition') ?? '', /^attachment; filename=/);
      assert.deepEqual(headers.getSetCookie(), []);
    }
    const { headers } = await call('GET', escaped('x\r\nset-cookie: a=b'));
    assert.match(headers.get('content-disposition') ?? '', /filename\*=UTF-8''x%0D%0Aset-cookie%3A%20a%3Db$/);
  });

  it('outside of the workspace are out of reach, and too large ones are refused early', async () => {
    await mkdir(workspace(), { recursive: true });
    const secret = join(world.server.homeDir, 'workspaces', 'secret.txt');
    await writeFile(secret, 'secret');
    await symlink(secret, join(workspace(), 'link.txt'));
    const leads = ['../secret.txt', '..%2fsecret.txt', '%2e%2e%2fsecret.txt', 'a/../../secret.txt', 'link.txt', secret];
    for (const lead of [...leads, '%2fetc%2fpasswd', '..\\secret.txt', 'a%00b', '%ff']) {
      for (const method of ['GET', 'PUT', 'DELETE']) {
        const answer = await rawRequest(method, `/v1/sessions/${session.id}/files/${lead}`);
        assert.ok([400, 404].includes(answer.status) || lead.includes('\\'), `${method} ${lead}: ${answer.status}`);
        assert.ok(!answer.text.includes('secret\n') && answer.text !== 'secret', lead);
      }
    }
    assert.equal(await readFile(secret, 'utf8'), 'secret');
    const large = new Uint8Array(MAX_FILE_MIB * MIB + 1);
    assert.deepEqual(await typeOf(await call('PUT', '/large.bin', { body: large })), [413, 'FileTooLarge']);
    const form = new FormData();
    form.append('file', new File([large], 'large.bin'));
    assert.deepEqual(await typeOf(await call('POST', '', { body: form })), [413, 'FileTooLarge']);
    await writeFile(join(workspace(), 'grown.bin'), large);
    assert.deepEqual(await typeOf(await call('GET', '/grown.bin')), [413, 'FileTooLarge']);
    const exact = await call('PUT', '/exact.bin', { body: large.subarray(1) });
    assert.equal(exact.status, 200);
    assert.deepEqual(await typeOf(await call('POST', '', { body: '{}' })), [400, 'InvalidInput']);
    assert.deepEqual(
      (await readdir(workspace())).filter((name) => name.startsWith('.')),
      [],
      'no part is left',
    );
  });

  /** As no well-behaved client would send it: the path is not made tidy. */
  function rawRequest(method: string, path: string): Promise<{ readonly status: number; readonly text: string }> {
    const { hostname, port } = new URL(gateway.url);
    return new Promise((resolve, reject) => {
      const headers = { authorization: `Bearer ${key}`, 'content-length': method === 'PUT' ? 1 : 0 };
      const sent = httpRequest({ hostname, port, method, path, headers }, (response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => (text += chunk.toString()));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
      });
      sent.on('error', reject);
      sent.end(method === 'PUT' ? 'x' : undefined);
    });
  }

  it('of others look like files of a session that is not there', async () => {
    await session.files.put('a.txt', 'mine');
    for (const [method, path] of [
      ['GET', ''],
      ['GET', '/a.txt'],
      ['PUT', '/a.txt'],
      ['DELETE', '/a.txt'],
      ['POST', ''],
    ] as const) {
      const body = method === 'PUT' || method === 'POST' ? { body: 'theirs' } : {};
      assert.deepEqual(await typeOf(await call(method, path, body, otherKey)), [404, 'SessionNotFound'], method + path);
      assert.equal((await call(method, path, body, 'wrong')).status, 401);
    }
    assert.equal(Buffer.from(await session.files.get('a.txt')).toString(), 'mine');
  });

  describe('in messages', () => {
    /** What the model was shown with the last message. */
    function shown(): { readonly text: string; readonly images: string[] } {
      const body = world.model.requests.at(-1)?.body as { messages: { role: string; content: unknown }[] }; // as it was sent
      const content = body.messages.findLast(({ role }) => role === 'user')?.content;
      const parts = (Array.isArray(content) ? content : [{ type: 'text', text: content }]) as {
        text?: string;
        image_url?: { url: string };
      }[]; // the wire form
      return {
        text: parts.map(({ text = '' }) => text).join(''),
        images: parts.flatMap(({ image_url: image }) => image?.url ?? []),
      };
    }
    const api = (): OpenAI => new OpenAI({ baseURL: `${gateway.url}/openai/v1`, apiKey: key, maxRetries: 0 });
    const headers = (): Record<string, string> => ({ authorization: `Bearer ${key}` });

    it('of REST are files of the workspace, and models see the images', async () => {
      await call('PUT', '/chart.png', { body: new Uint8Array(PNG) });
      await call('PUT', '/data/a.csv', { body: new Uint8Array(CSV) });
      const url = `${gateway.url}/v1/sessions/${session.id}/messages?wait=true`;
      const send = (body: object): Promise<Response> =>
        fetch(url, {
          method: 'POST',
          headers: { ...headers(), 'content-type': 'application/json' },
          body: JSON.stringify(body),
        });
      const sent = await send({ text: 'What is this?', files: ['chart.png', 'data/a.csv'] });
      assert.equal(sent.status, 202, await sent.text());
      assert.match(shown().text, /What is this\?\s+\[file data\/a\.csv, 19 bytes\]$/);
      assert.deepEqual(shown().images, [PNG_URL]);
      assert.equal((await send({ text: '', files: ['chart.png'] })).status, 202);
      assert.match(shown().text, /\[file chart\.png, \d+ bytes\]$/);
      assert.deepEqual(await typeOf(await send({ text: 'and this?', files: ['none.png'] })), [404, 'FileNotFound']);
      assert.deepEqual(await typeOf(await send({ text: 'and this?', files: ['../a.png'] })), [400, 'InvalidInput']);
      assert.deepEqual(await typeOf(await send({ text: '' })), [400, 'InvalidInput']);
    });

    itInFull('of the OpenAI API come as data, as its own client sends them, and are in the conversation', async () => {
      const content: OpenAI.Responses.ResponseInputContent[] = [
        { type: 'input_text', text: 'What is this?' },
        { type: 'input_image', image_url: PNG_URL, detail: 'auto' },
        { type: 'input_file', filename: 'a.csv', file_data: CSV_URL },
      ];
      const response = await api().responses.create({ model: 'default', input: [{ role: 'user', content }] });
      assert.equal(response.output_text, 'seen');
      assert.match(shown().text, /What is this\?\s+\[file a\.csv, 19 bytes\]/);
      assert.deepEqual(shown().images, [PNG_URL]);
      const items = await api().conversations.items.list(response.conversation?.id ?? '', { order: 'asc' });
      const image = JSON.stringify(items.data[0]).match(/"image_url":"([^"]+)"/)?.[1] ?? '';
      const found = await fetch(image, { headers: headers() });
      assert.ok(PNG.equals(Buffer.from(await found.arrayBuffer())));
      for (const [part, problem] of [
        [{ type: 'input_image', image_url: 'https://example.org/a.png', detail: 'auto' }, /fetches nothing/],
        [{ type: 'input_image', file_id: 'file-1', detail: 'auto' }, /keeps no files outside of sessions/],
        [{ type: 'input_file', file_url: 'http://169.254.169.254/' }, /fetches nothing/],
        [{ type: 'input_audio' }, /send text, images and files/],
      ] as const) {
        const input = [{ role: 'user', content: [part] }];
        await assert.rejects(api().post('/responses', { body: { input } }), (error: Error) => {
          assert.match(error.message, /^400 input\[0\]\.content\[0\]/);
          assert.match(error.message, problem);
          return true;
        });
      }
    });

    itInFull('of chat completions tell conversations apart', async () => {
      const other = `data:image/gif;base64,${Buffer.from('GIF89a other').toString('base64')}`;
      const ask = (url: string): OpenAI.ChatCompletionMessageParam[] => [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'Whose is it?' },
            { type: 'image_url', image_url: { url } },
            { type: 'file', file: { filename: 'a.csv', file_data: CSV_URL } },
          ],
        },
      ];
      const complete = async (messages: OpenAI.ChatCompletionMessageParam[]): Promise<string> =>
        (await api().chat.completions.create({ model: 'default', messages })).id;
      const first = await complete(ask(PNG_URL));
      assert.match(shown().text, /Whose is it\?\s+\[file a-[0-9a-f]{12}\.csv, 19 bytes\]/);
      assert.deepEqual(shown().images, [PNG_URL]);
      const goOn = (url: string): OpenAI.ChatCompletionMessageParam[] => [
        ...ask(url),
        { role: 'assistant', content: 'seen' },
        { role: 'user', content: 'Go on' },
      ];
      assert.equal(await complete(goOn(PNG_URL)), first);
      assert.notEqual(await complete(goOn(other)), first, 'another image is another conversation');
      assert.match(JSON.stringify(world.model.requests.at(-1)?.body), /image\/gif/, 'which the model sees');
    });

    it('of AG-UI and the AI SDK come in their own parts', async () => {
      const agent = new HttpAgent({ url: `${gateway.url}/ag-ui`, headers: headers(), threadId: 'files' });
      const data = (content: Buffer, mimeType: string) => ({
        type: 'data' as const,
        value: content.toString('base64'),
        mimeType,
      });
      agent.addMessage({
        id: 'm1',
        role: 'user',
        content: [
          { type: 'text', text: 'What is this?' },
          { type: 'image', source: data(PNG, 'image/png') },
          { type: 'document', source: data(CSV, 'text/csv') },
        ],
      });
      await agent.runAgent();
      assert.match(shown().text, /What is this\?\s+\[file file-[0-9a-f]{12}\.csv, 19 bytes\]/);
      assert.deepEqual(shown().images, [PNG_URL]);

      const transport = new DefaultChatTransport<UIMessage>({ api: `${gateway.url}/ai-sdk/chat`, headers: headers() });
      const send = (url: string): Promise<ReadableStream> =>
        transport.sendMessages({
          chatId: 'files of the SDK',
          messages: [
            {
              id: 'm1',
              role: 'user',
              parts: [
                { type: 'text', text: 'And this?' },
                { type: 'file', mediaType: 'image/png', filename: 'shot.png', url },
              ],
            },
          ],
          trigger: 'submit-message',
          messageId: undefined,
          abortSignal: undefined,
        });
      await assert.rejects(send('https://example.org/a.png'), /fetches nothing/);
      const deciding = { id: 'files of the SDK', messages: [{ id: 'a1', role: 'assistant', parts: [] }] };
      const body = JSON.stringify(deciding);
      const begun = await fetch(`${gateway.url}/ai-sdk/chat`, { method: 'POST', headers: headers(), body });
      assert.deepEqual(await typeOf(begun), [404, 'SessionNotFound'], 'what is refused begins no session');
      for await (const _ of await send(PNG_URL));
      assert.match(shown().text, /And this\?$/);
      assert.deepEqual(shown().images, [PNG_URL]);
    });
  });
});
