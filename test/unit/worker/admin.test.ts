import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { type IncomingMessage, request } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { closeAgents, readAgents, readStats, socketFolder } from '../../../src/connection/worker-sockets.ts';
import { newOperated } from '../../../src/operator-port.ts';
import { CallMetrics } from '../../../src/worker/call-metrics.ts';
import { type Admin, startAdmin } from '../../../src/worker/admin.ts';
import type { CloseRequest } from '../../../src/contracts/worker-report.ts';
import { temporaryFolder } from '../../helpers/server.ts';
import { recordingLog } from '../agents/files/team-folder.ts';

const AGENTS = {
  sessions: 7,
  messages: 21,
  calls: 31,
  poolSize: 2,
  sessionsWithOverrides: 1,
  privateAgents: 3,
  instances: 2,
  opens: 2,
  failedOpens: 4,
  meanOpenMs: 1_500,
  reusePerInstance: 10.5,
  hits: 19,
  misses: 5,
  evictions: 6,
  closes: 5,
  closeFailures: 8,
  memoryBytes: 123_456,
  memoryPerSessionBytes: 1_000,
};
const TRANSCRIPTS = { hits: 9, refills: 10, misses: 11, entries: 12, bytes: 13 };

describe('observability: what a worker tells of itself', () => {
  let homeDir: string;
  const admins: Admin[] = [];
  const asked: CloseRequest[] = [];
  const { log, lines } = recordingLog();

  const start = async (home = homeDir): Promise<Admin> => {
    const admin = await startAdmin({
      config: { homeDir: home, taskQueue: 'queue' },
      identity: 'copilot-1@"host"',
      agents: {
        stats: () => AGENTS,
        entries: () => [
          { kind: 'shared', key: 'small@abc', leases: 1, instances: ['small@abc/1'], isClosing: false, idleMs: 5 },
        ],
        closeEntries: async (given) => {
          asked.push(given);
          return { closed: ['small@abc'], waiting: [], failures: 0 };
        },
      },
      transcripts: { stats: () => TRANSCRIPTS },
      calls: new CallMetrics(),
      operated: newOperated(),
      log,
    });
    admins.push(admin);
    return admin;
  };

  beforeEach(async () => {
    homeDir = await temporaryFolder();
  });
  afterEach(async () => {
    for (const admin of admins.splice(0)) await admin.close();
    await rm(homeDir, { recursive: true, force: true });
  });

  it('is asked on a socket in the home folder, named by process id and open to its user only', async () => {
    const { socket = '' } = await start();
    assert.equal(dirname(socket), join(homeDir, 'workers'));
    assert.match(socket, new RegExp(`/${process.pid}-[0-9a-f]{6}\\.sock$`));
    assert.equal((await stat(socket)).mode & 0o777, 0o600);
    assert.equal((await stat(dirname(socket))).mode & 0o777, 0o700);
  });

  it('is asked of all workers of a home at once, several of one process too', async () => {
    await start();
    await start();
    const { workers, silent } = await readStats(homeDir);
    assert.deepEqual(silent, []);
    assert.equal(workers.length, 2);
    const { startedAt, ...worker } = workers[0] ?? assert.fail();
    assert.ok(Math.abs(Date.parse(startedAt) - Date.now()) < 60_000);
    assert.deepEqual(worker, {
      identity: 'copilot-1@"host"',
      pid: process.pid,
      taskQueue: 'queue',
      agents: AGENTS,
      transcripts: TRANSCRIPTS,
    });
    const { workers: both } = await readAgents(homeDir);
    assert.deepEqual(
      both.map(({ entries }) => entries.map(({ key }) => key)),
      [['small@abc'], ['small@abc']],
    );
  });

  it('is told what to close, and refuses what makes no sense', async () => {
    const { socket = '' } = await start();
    asked.length = 0;
    const { workers } = await closeAgents(homeDir, { key: 'small@abc', force: true });
    assert.deepEqual(
      workers.map(({ closed }) => closed),
      [['small@abc']],
    );
    for (const body of [
      '',
      '{',
      '{}',
      '{"all":false}',
      '{"all":true,"key":"x"}',
      '{"digest":"1234567"}',
      '{"al":true}',
      'x'.repeat(70_000),
    ]) {
      const answer = await ask(socket, 'POST', '/agents/close', body);
      assert.equal(answer.status, body.length > 65_536 ? 413 : 400, body.slice(0, 20));
      assert.match((JSON.parse(answer.text) as { error: { message: string } }).error.message, /./);
    }
    assert.deepEqual(asked, [{ key: 'small@abc', force: true }]);
    for (const [method, path] of [
      ['GET', '/nothing'],
      ['POST', '/stats'],
      ['GET', '/__proto__'],
    ] as const) {
      assert.equal((await ask(socket, method, path)).status, 404);
    }
  });

  it('gives every statistic as a metric that Prometheus can read', async () => {
    const { socket = '' } = await start();
    const { text: body, type } = await ask(socket, 'GET', '/metrics');
    assert.match(type, /^text\/plain; version=0\.0\.4/);
    const values: Record<string, number> = {};
    const kinds: Record<string, string> = {};
    for (const line of body.split('\n').filter((text) => text !== '')) {
      const comment = /^# (HELP|TYPE) ([a-z_]+) (.+)$/.exec(line);
      const sample = /^([a-z_]+)(\{[a-z_]+="(?:[^"\\\n]|\\.)*"(?:,[a-z_]+="(?:[^"\\\n]|\\.)*")*\})? ([0-9.e+-]+)$/.exec(
        line,
      );
      assert.ok(comment ?? sample, `not in the format: ${line}`);
      if (comment?.[1] === 'TYPE') kinds[comment[2] ?? ''] = comment[3] ?? '';
      if (sample) values[sample[1] ?? ''] = Number(sample[3]);
    }
    // Those of calls have no values before there are calls.
    const ofCalls = new CallMetrics().registry.getMetricsAsArray().map(({ name }) => name);
    assert.deepEqual([...Object.keys(values), ...ofCalls].toSorted(), Object.keys(kinds).toSorted());
    const { process_start_time_seconds: startedAt = 0, ...rest } = values;
    assert.ok(Math.abs(startedAt - Date.now() / 1_000) < 60);
    assert.deepEqual(rest, {
      copilot_worker_info: 1,
      copilot_agent_sessions_total: 7,
      copilot_agent_messages_total: 21,
      copilot_agent_calls_total: 31,
      copilot_agent_closes_total: 5,
      copilot_agent_memory_per_session_bytes: 1_000,
      copilot_agent_pool_size: 2,
      copilot_agent_sessions_with_overrides: 1,
      copilot_agent_private_agents: 3,
      copilot_agent_instances: 2,
      copilot_agent_opens_total: 2,
      copilot_agent_failed_opens_total: 4,
      copilot_agent_open_mean_seconds: 1.5,
      copilot_agent_reuse_per_instance: 10.5,
      copilot_agent_hits_total: 19,
      copilot_agent_misses_total: 5,
      copilot_agent_evictions_total: 6,
      copilot_agent_close_failures_total: 8,
      process_resident_memory_bytes: 123_456,
      copilot_transcript_hits_total: 9,
      copilot_transcript_refills_total: 10,
      copilot_transcript_misses_total: 11,
      copilot_transcript_copies: 12,
      copilot_transcript_bytes: 13,
    });
    for (const name of Object.keys(kinds)) assert.equal(kinds[name] === 'counter', name.endsWith('_total'), name);
  });

  it('has no socket any more when it is closed, however often', async () => {
    const admin = await start();
    await Promise.all([admin.close(), admin.close()]);
    assert.deepEqual(await readdir(join(homeDir, 'workers')), []);
    assert.deepEqual(await readStats(homeDir), { workers: [], silent: [] });
  });

  it('removes sockets of killed workers, by the next worker and by whoever asks, and no others', async () => {
    const leave = (): void => {
      const script = `
        import { createServer } from 'node:net';
        createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'));
      `;
      spawnSync(process.execPath, [
        '--input-type=module',
        '-e',
        script,
        '--',
        join(homeDir, 'workers', '1-000000.sock'),
      ]);
    };
    const { socket = '' } = await start();
    leave();
    assert.equal((await readdir(join(homeDir, 'workers'))).length, 2);
    assert.equal((await readStats(homeDir)).workers.length, 1);
    leave();
    const { socket: second = '' } = await start();
    assert.deepEqual(
      (await readdir(join(homeDir, 'workers'))).map((name) => join(homeDir, 'workers', name)).toSorted(),
      [socket, second].toSorted(),
    );
  });

  it('has its socket in the temporary folder where the home folder has too long a path for one', async () => {
    const deep = join(homeDir, 'x'.repeat(60), 'y'.repeat(60));
    const { socket = '' } = await start(deep);
    assert.equal(dirname(dirname(socket)), tmpdir());
    assert.ok(Buffer.byteLength(socket) <= 103);
    assert.equal(dirname(socket), socketFolder(deep));
    assert.notEqual(socketFolder(deep), socketFolder(join(deep, 'other')));
    assert.equal((await readStats(deep)).workers.length, 1);
    await rm(dirname(socket), { recursive: true });
  });

  it('does without a socket where the folder is open to others, and says so', async () => {
    await mkdir(join(homeDir, 'workers'), { mode: 0o755 });
    assert.equal((await start()).socket, undefined);
    assert.match(
      JSON.stringify(lines.at(-1)),
      /no admin socket.*open to other users|open to other users.*no admin socket/,
    );
  });

  it('names a worker whose answer makes no sense, and shows the others', async () => {
    await start();
    const other = createServer((socket) => socket.end('HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{"pid":"?"}'));
    await once(other.listen(join(homeDir, 'workers', '9-000000.sock')), 'listening');
    await writeFile(join(homeDir, 'workers', 'note.txt'), 'no socket');
    try {
      const { workers, silent } = await readStats(homeDir);
      assert.equal(workers.length, 1);
      assert.deepEqual(silent, [
        { socket: join(homeDir, 'workers', '9-000000.sock'), problem: 'its answer has the form of another version' },
      ]);
    } finally {
      other.close();
    }
  });
});

async function ask(
  socketPath: string,
  method: string,
  path: string,
  body = '',
): Promise<{ status: number | undefined; type: string; text: string }> {
  const asked = request({ socketPath, method, path });
  asked.end(body);
  const [response] = (await once(asked, 'response')) as [IncomingMessage]; // as node:http has it
  return { status: response.statusCode, type: String(response.headers['content-type']), text: await text(response) };
}
