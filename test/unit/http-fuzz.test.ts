/** Whatever comes in over HTTP: an answer that says what is wrong, soon, and the server lives on. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { request } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import fc from 'fast-check';
import { startOfflineModel } from '../../dev/offline-model/server.ts';
import { newOperated } from '../../src/operator-port.ts';
import { startAdmin } from '../../src/worker/admin.ts';
import { CallMetrics } from '../../src/worker/call-metrics.ts';
import { startCodecServer } from '../../src/storage/codec-server.ts';
import { temporaryFolder } from '../helpers/server.ts';
import { isFull } from '../helpers/full.ts';
import { seed } from '../helpers/random.ts';
import { CORPUS } from '../helpers/spoiled-payloads.ts';
import { recordingLog } from './agents/files/team-folder.ts';

const SOON_MS = 30_000;
const SERVER_ERROR = 500;

interface Target {
  /** Of the socket: a port, or the path of a Unix socket. */
  readonly at: { readonly port: number; readonly host: string } | { readonly path: string };
  /** A good request, and the status of its answer. */
  readonly good: readonly [method: string, path: string, body: string | undefined];
  /** Where bodies go. */
  readonly takes: readonly string[];
  /** Parts of good bodies. */
  readonly words: readonly string[];
  close(): Promise<void>;
}

interface Answer {
  readonly status: number;
  readonly body: string;
}

const CHAT = { model: 'offline', messages: [{ role: 'user', content: 'Say hello in JSON' }] };
const chatWith = (more: object): string => JSON.stringify({ ...CHAT, ...more });
const deep = (levels: number): string => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`;
const schemaOf = (schema: string): string =>
  chatWith({ response_format: { type: 'json_schema', json_schema: { name: 'x', schema: 'SCHEMA' } } }).replace(
    '"SCHEMA"',
    () => schema,
  );

const TARGETS: Readonly<Record<string, () => Promise<Target>>> = {
  'the offline model': async () => {
    const server = await startOfflineModel();
    const { port, hostname } = new URL(server.baseUrl);
    return {
      at: { port: Number(port), host: hostname },
      good: ['POST', '/v1/chat/completions', chatWith({})],
      takes: ['/v1/chat/completions'],
      words: [
        chatWith({ temperature: -1 }),
        chatWith({ messages: [{ role: 'user', content: null }] }),
        chatWith({ messages: [{ role: 'tool', tool_call_id: '__proto__', content: 'x' }] }),
        chatWith({ messages: Array.from({ length: 20_000 }, () => ({ role: 'user', content: 'x' })) }),
        chatWith({ messages: [{ role: 'system', content: `Phase: step\n${'# '.repeat(50_000)}` }, ...CHAT.messages] }),
        chatWith({ messages: [{ role: 'user', content: 'x '.repeat(1_000_000) }] }),
        chatWith({ messages: [{ role: 'user', content: ' '.repeat(2_000_000) }] }),
        chatWith({ messages: [{ role: 'user', content: '\u0000\ud800\n'.repeat(1_000) }] }),
        chatWith({ tools: Array.from({ length: 200 }, () => ({ type: 'function', function: { name: 'x' } })) }),
        chatWith({ tools: [{ type: 'function', function: { name: 'write_file', parameters: { type: 7 } } }] }),
        schemaOf(deep(10_000)),
        schemaOf('{"type": "object", "properties": {"__proto__": {"type": "string"}, "route": {"enum": []}}}'),
        schemaOf('{"$ref": "#"}'),
      ],
      close: () => server.close(),
    };
  },
  'the admin socket of a worker': async () => {
    const homeDir = await temporaryFolder();
    const server = await startAdmin({
      config: { homeDir, taskQueue: 'queue' },
      identity: 'worker',
      agents: {
        stats: () => STATS,
        entries: () => [],
        closeEntries: () => Promise.resolve({ closed: [], waiting: [], failures: 0 }),
      },
      transcripts: { stats: () => ({ hits: 0, refills: 0, misses: 0, entries: 0, bytes: 0 }) },
      calls: new CallMetrics(),
      operated: newOperated(),
      log: recordingLog().log,
    });
    assert.ok(server.socket !== undefined);
    return {
      at: { path: server.socket },
      good: ['GET', '/stats', undefined],
      takes: ['/agents/close'],
      words: ['{"key": 7}', '{"key": "__proto__", "force": "yes"}', '{"__proto__": {"all": true}}', '{"all": 1}'],
      close: async () => {
        await server.close();
        await rm(homeDir, { recursive: true, force: true });
      },
    };
  },
  'the codec server': async () => {
    const server = await startCodecServer({ encryptionKeys: [] }, { origins: [] });
    const { port, hostname } = new URL(server.url);
    const payloadOf = (payload: unknown): string => JSON.stringify({ payloads: [payload] });
    return {
      at: { port: Number(port), host: hostname },
      good: ['POST', '/decode', '{"payloads": []}'],
      takes: ['/decode', '/encode'],
      words: [
        payloadOf(null),
        payloadOf({ metadata: { encoding: 'YmluYXJ5L2VuY3J5cHRlZA==' }, data: '' }),
        payloadOf({ metadata: { encoding: '?' }, data: '\u0000' }),
        payloadOf({ metadata: 7, data: {} }),
        '{"payloads": {"length": 1e9}}',
        '{"payloads": [{"metadata": {"__proto__": "eA=="}}]}',
        JSON.stringify({ payloads: Array.from({ length: 50_000 }, () => ({})) }),
      ],
      close: () => server.close(),
    };
  },
};

const STATS = {
  sessions: 0,
  messages: 0,
  calls: 31,
  poolSize: 1,
  sessionsWithOverrides: 0,
  privateAgents: 0,
  instances: 0,
  opens: 0,
  failedOpens: 0,
  meanOpenMs: 0,
  reusePerInstance: 0,
  hits: 0,
  misses: 0,
  evictions: 0,
  closes: 5,
  closeFailures: 0,
  memoryBytes: 0,
  memoryPerSessionBytes: 1_000,
};

const BODIES: readonly (string | Uint8Array)[] = Object.values(CORPUS)
  .flat()
  .map(({ data }) => data ?? '');

const PATHS = [
  '/',
  '//',
  '/..',
  '/%00',
  '/%',
  '/__proto__',
  '/constructor',
  '/v1/chat/completions/../x',
  `/${'x'.repeat(8_000)}`,
  '*',
  'http://[',
  '/stats?x=\u007f',
];

/** Not HTTP, or not all of it. */
const RAW: readonly (string | Uint8Array)[] = [
  'hello\r\n\r\n',
  'GET / HTTP/9.9\r\n\r\n',
  'POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n',
  'POST /decode HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n',
  'POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{"model"',
  `GET / HTTP/1.1\r\nx: ${'y'.repeat(100_000)}\r\n\r\n`,
  Uint8Array.from({ length: 1_000 }, (_, n) => n % 256),
];

for (const [name, start] of Object.entries(TARGETS)) {
  describe(`[R06] ${name}, over HTTP (seed ${seed})`, function () {
    this.timeout(isFull ? 600_000 : 180_000);
    let target: Target;

    before(async () => void (target = await start()));
    after(() => target?.close());

    async function ask(method: string, path: string, body?: string | Uint8Array): Promise<Answer> {
      const at = 'path' in target.at ? { socketPath: target.at.path } : target.at;
      const asked = request({ ...at, method, path, headers: { 'content-type': 'application/json' } });
      // The server may hang up on a body that is too long, after its answer.
      asked.on('error', () => undefined);
      const answered = once(asked, 'response', { signal: AbortSignal.timeout(SOON_MS) });
      asked.end(body);
      const [response] = await answered;
      return { status: response.statusCode, body: await text(response) };
    }

    async function livesOn(): Promise<void> {
      const { status, body } = await ask(...target.good);
      assert.equal(status, 200, body);
    }

    it('answers any body with a reason, and lives on', async () => {
      for (const body of [...BODIES, ...target.words]) {
        for (const path of target.takes) {
          const what = `${path} ${Buffer.from(body).toString().slice(0, 200)}`;
          const answer = await ask('POST', path, body);
          assert.ok(answer.status < SERVER_ERROR, `${what}: ${answer.status} ${answer.body.slice(0, 500)}`);
          assert.doesNotMatch(answer.body, /\n +at /, what);
          if (answer.status !== 200) assert.ok(answer.body.length < 2_000, `${what}: ${answer.body.length} characters`);
        }
      }
      await livesOn();
    });

    it('answers anything that fast-check writes, and lives on', async () => {
      const body = fc.oneof(fc.json(), fc.string({ unit: 'binary' }), fc.uint8Array({ maxLength: 500 }));
      const isAnswered = async (given: string | Uint8Array): Promise<void> => {
        const [path = '/'] = target.takes;
        assert.ok((await ask('POST', path, given)).status < SERVER_ERROR);
      };
      await fc.assert(fc.asyncProperty(body, isAnswered), { seed, numRuns: isFull ? 5_000 : 25 });
      await livesOn();
    });

    it('answers any path and method, and lives on', async () => {
      for (const path of PATHS) {
        for (const method of ['GET', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'HEAD', 'TRACE']) {
          const { status } = await ask(method, path).catch((error: Error) => {
            assert.match(error.message, /unescaped characters/, `${method} ${path}`);
            return { status: 400 };
          });
          assert.ok(status < SERVER_ERROR, `${method} ${path}: ${status}`);
        }
      }
      await livesOn();
    });

    it('hangs up on what is no HTTP, and lives on', async () => {
      for (const bytes of RAW) {
        const socket = connect(target.at);
        socket.on('error', () => undefined);
        socket.end(bytes);
        const answer = await text(socket).catch(() => '');
        assert.match(answer, /^($|HTTP\/1\.1 [1-4]\d\d )/, String(bytes).slice(0, 100));
      }
      await livesOn();
    });
  });
}
