/**
 * What many open sessions cost while a few are at work: the figures that docs/scale.md computes with. The
 * database is that of the server, by table. Linux only.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { CopilotClient, type SessionHandle } from '../src/client.ts';
import { readRecord } from '../src/connection/address/home-server.ts';
import { type ModelServer, startModelServer } from '../test/helpers/model-server.ts';
import { nextRequest } from '../test/helpers/requests.ts';
import { isolatedConfig, startTestServer, type TestServer } from '../test/helpers/server.ts';
import { playTeam } from '../test/helpers/team-script.ts';
import { startWorkerProcess, type WorkerProcess } from '../test/helpers/worker.ts';
import { cpuMs, residentMb } from './cpu.ts';
import { inParallel, patiently } from './list.ts';
import { MESSAGE, show, timed } from './world.ts';

const DEFAULT_SESSIONS = 10_000;
/** So many are open when lists are looked at first. */
const FIRST_LOOK = 2_000;
const AT_WORK = 20;
/** Sessions that wait for a person. */
const WAITING = 50;
const CREATIONS_AT_ONCE = 10;
/** As in `list`: so often it waits until the worker has caught up. */
const ANSWERED_SHARE = 5;
/** Turns of a session at work, so that a new run counts with its share. */
const TURNS = 40;
const LOOKS = 10;
/** Things of which the bytes of one are told. */
const MIN_STORED = 500;
const PAGE_LIMIT = 100;
/** So long until lists show what was done. */
const SETTLING_MS = 5_000;
/** Heap of the worker. It keeps fewer sessions open than there are, as with 100,000. */
const WORKER_OPTIONS = { NODE_OPTIONS: '--max-old-space-size=1536' };

/** What a table of the server is for. */
const PARTS: readonly (readonly [part: string, table: RegExp])[] = [
  ['visibility', /visibility|search_attr|fts|keyword|^text$/i],
  ['history', /^(sqlite_autoindex_)?history/],
  ['state of workflows, tasks, timers', /./],
];

interface Scale {
  readonly server: TestServer;
  readonly copilot: CopilotClient;
  readonly model: ModelServer;
  readonly worker: WorkerProcess;
  readonly serverPid: number | undefined;
}

export async function scale(_: unknown, { sessions = DEFAULT_SESSIONS }: { sessions?: number } = {}): Promise<void> {
  const world = await openScale();
  const { copilot, model, worker } = world;
  try {
    playTeam(model, { answer: MESSAGE });
    console.log(`worker: RSS ${residentMb(worker.pid).toFixed(0)} MB at first`);
    await measureTurns(world, `${AT_WORK} sessions, no others open`);
    await askPeople(copilot, model);
    const planted: SessionHandle[] = [];
    for (const count of [Math.min(FIRST_LOOK, sessions), sessions - FIRST_LOOK].filter((part) => part > 0)) {
      planted.push(...(await measured(world, count, 'session created', () => createSome(copilot, count))));
      console.log(`${planted.length} sessions open; worker: RSS ${residentMb(worker.pid).toFixed(0)} MB`);
      await measureLists(copilot);
    }
    await measureTurns(world, `${AT_WORK} sessions, ${sessions} others open`);
    // The first ones have left the worker's cache long ago.
    await measured(world, AT_WORK, 'first turn of a session that no worker holds', async () => {
      const times: number[] = [];
      for (const session of planted.slice(0, AT_WORK)) times.push(await timed(() => session.send(MESSAGE)));
      show('first turn of a session that no worker holds', times);
    });
    await measured(world, AT_WORK, 'session completed that no worker holds', async () => {
      for (const session of planted.slice(AT_WORK, 2 * AT_WORK)) await session.complete();
    });
    console.log(`worker: RSS ${residentMb(worker.pid).toFixed(0)} MB at the end`);
  } finally {
    await copilot.close();
    await worker.stop();
    await model.close();
    await world.server.stop();
  }
}

async function openScale(): Promise<Scale> {
  const server = await startTestServer();
  const model = await startModelServer({ keepsRequests: false });
  const env = { OPENAI_BASE_URL: model.baseUrl, OPENAI_API_KEY: 'bench', ...WORKER_OPTIONS };
  const worker = await startWorkerProcess(server, env);
  const copilot = await CopilotClient.connect({ config: isolatedConfig(server.homeDir), address: server.address });
  return { server, model, worker, copilot, serverPid: (await readRecord(server.homeDir))?.pid };
}

async function createSome(copilot: CopilotClient, count: number): Promise<SessionHandle[]> {
  const sessions: SessionHandle[] = [];
  let next = 0;
  await inParallel(CREATIONS_AT_ONCE, async () => {
    for (let number = next++; number < count; number = next++) {
      const session = await patiently(() => copilot.create({ user: `user-${number % 10}`, name: `number ${number}` }));
      sessions.push(session);
      if (number % ANSWERED_SHARE === 0) await patiently(() => session.info());
    }
  });
  for (const session of sessions.slice(-CREATIONS_AT_ONCE)) await patiently(() => session.info());
  return sessions;
}

async function measureTurns(world: Scale, title: string): Promise<void> {
  console.log(title);
  const sessions = await createSome(world.copilot, AT_WORK);
  const times: number[] = [];
  await measured(world, AT_WORK * TURNS, 'turn', async () => {
    await Promise.all(
      sessions.map(async (session) => {
        for (let turn = 0; turn < TURNS; turn++) times.push(await timed(() => session.send(MESSAGE)));
      }),
    );
  });
  show('  turn, all at once', times);
}

/** Leaves requests in the inbox. */
async function askPeople(copilot: CopilotClient, model: ModelServer): Promise<void> {
  playTeam(model, { files: ['a.txt'], answer: MESSAGE });
  const config = { approvals: { tools: { write: 'ask' as const } } };
  for (let number = 0; number < WAITING; number++) {
    const session = await copilot.create({ mode: 'planning-control', config });
    await session.send('Do it.', { wait: false });
    await nextRequest(session);
  }
  playTeam(model, { answer: MESSAGE });
}

async function measureLists(copilot: CopilotClient): Promise<void> {
  const looks = async (title: string, look: () => Promise<unknown>): Promise<void> => {
    const times: number[] = [];
    for (let number = 0; number < LOOKS; number++) times.push(await timed(look));
    show(title, times);
  };
  await looks('list, first page of all', () => copilot.list({ limit: PAGE_LIMIT }));
  await looks('list, first page of one user', () => copilot.list({ limit: PAGE_LIMIT, user: 'user-1' }));
  await looks('count of active ones', () => copilot.count({ status: 'active' }));
  await looks(`inbox with ${WAITING} requests`, () => copilot.inbox());
}

/** Prints what each of `count` things took: time, CPU of server and worker, and bytes of the database. */
async function measured<T>(world: Scale, count: number, what: string, work: () => Promise<T>): Promise<T> {
  const { server, worker, serverPid } = world;
  const pids = { server: serverPid, worker: worker.pid };
  const cpu = (): (number | undefined)[] => Object.values(pids).map((pid) => (pid === undefined ? pid : cpuMs(pid)));
  const [spentBefore, stored, startedAt] = [cpu(), await storage(server), performance.now()];
  const result = await work();
  const seconds = (performance.now() - startedAt) / 1_000;
  const spent = cpu().map((now, n) => (now === undefined ? '-' : ((now - (spentBefore[n] ?? 0)) / count).toFixed(1)));
  await sleep(SETTLING_MS);
  const now = await storage(server);
  const bytes = [...now].map(([part, size]) => [part, (size - (stored.get(part) ?? 0)) / count] as const);
  const kib = (size: number): string => (size / 1_024).toFixed(1);
  const times = Object.keys(pids).map((name, n) => `${name} ${spent[n]}`);
  console.log(`  ${what}: ${(count / seconds).toFixed(1)} a second; CPU ms each: ${times.join(', ')}`);
  // Pages of a database are too coarse for fewer.
  if (count >= MIN_STORED) {
    const sum = bytes.reduce((total, [, size]) => total + size, 0);
    const parts = bytes.map(([part, size]) => `${part} ${kib(size)}`);
    console.log(`  ${what}: database KiB each: ${kib(sum)} (${parts.join(', ')})`);
  }
  return result;
}

/** Bytes by part. */
async function storage(server: TestServer): Promise<Map<string, number>> {
  const sums = new Map<string, number>(PARTS.map(([part]) => [part, 0]));
  for (const [table, size] of Object.entries(await server.tableBytes())) {
    const [part = ''] = PARTS.find(([, names]) => names.test(table)) ?? [];
    sums.set(part, (sums.get(part) ?? 0) + size);
  }
  return sums;
}
