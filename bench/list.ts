/** [P09] Creates many sessions, then lists all pages newest first while some sessions change. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { CopilotClient, CopilotError, type ListFilter, type SessionHandle } from '../src/client.ts';
import { startGrpcProxy } from '../test/helpers/grpc-proxy.ts';
import { isolatedConfig } from '../test/helpers/server.ts';
import { type BenchWorld, show, timed } from './world.ts';

const DEFAULT_SESSIONS = 10_000;
const CREATIONS_AT_ONCE = 10;
/**
 * Waits for one session in this many until it answers. A server starts sessions faster than a worker picks them up, and
 * `create` asks the worker for the team every 5 s, which times out behind too many first tasks.
 */
const ANSWERED_SHARE = 5;
const PAGE_LIMIT = 100;
const USERS = 10;
const NAMES = 100;
/** One session in this many is suspended before the lists are read. */
const SUSPENDED_SHARE = 97;
/** Number of sessions that change while lists are read, and the time between two changes. */
const CHANGING = 10;
const CHANGE_INTERVAL_MS = 100;
const VISIBLE_TIMEOUT_MS = 300_000;

interface Planted {
  readonly session: SessionHandle;
  readonly user: string;
  readonly name: string;
  readonly isSuspended: boolean;
}

/** The pages of one list in order. */
interface Reading {
  readonly ids: readonly string[];
  readonly isOrdered: boolean;
  /** Time of each page. */
  readonly ms: readonly number[];
  /** Visibility requests on the wire for each page. */
  readonly requests: readonly number[];
}

type Criteria = Omit<ListFilter, 'limit' | 'after'>;

export async function list(
  world: BenchWorld,
  { sessions = DEFAULT_SESSIONS }: { sessions?: number } = {},
): Promise<void> {
  const planted = await plant(world.copilot, sessions);
  const proxy = await startGrpcProxy(world.server.address);
  const reader = await CopilotClient.connect({ config: isolatedConfig(world.server.homeDir), address: proxy.address });
  const changing = changeSome(planted.filter(({ isSuspended }) => !isSuspended).slice(0, CHANGING));
  try {
    for (const [title, criteria, isWanted] of questions(planted)) {
      const reading = await readPages(reader, criteria, () => proxy.calls.filter(isVisibilityRequest).length);
      report(title, reading, { wanted: planted.filter(isWanted), changing: changing.ids });
    }
  } finally {
    console.log(`changes made meanwhile: ${await changing.stop()}, of ${changing.ids.size} sessions`);
    await reader.close();
    await proxy.close();
  }
}

/** Creates the sessions, suspends some, and waits until lists show all of them. */
async function plant(copilot: CopilotClient, count: number): Promise<readonly Planted[]> {
  const planted: Planted[] = [];
  let next = 0;
  const createMs = await timed(() =>
    inParallel(CREATIONS_AT_ONCE, async () => {
      for (let number = next++; number < count; number = next++) {
        const user = `user-${number % USERS}`;
        const name = `batch ${number % NAMES} number ${number}`;
        const id = `bench-${randomUUID()}`;
        const session = await patiently(() => copilot.create({ id, ifExists: 'use', mode: 'one-shot', user, name }));
        planted.push({ session, user, name, isSuspended: number % SUSPENDED_SHARE === 0 });
        if (number % ANSWERED_SHARE === 0) await patiently(() => session.info());
      }
    }),
  );
  console.log(`${count} sessions created in ${seconds(createMs)}: ${((count * 1_000) / createMs).toFixed(0)} a second`);
  const toSuspend = planted.filter(({ isSuspended }) => isSuspended);
  const suspendMs = await timed(async () => {
    for (const { session } of toSuspend) await session.suspend();
  });
  console.log(`${toSuspend.length} of them suspended, one after another, in ${seconds(suspendMs)}`);
  const visibleMs = await timed(() => untilVisible(copilot, count, toSuspend.length));
  console.log(`until counts show all of them: ${seconds(visibleMs)}`);
  return planted;
}

/** Retries while the worker is behind on its tasks and answers late. */
export async function patiently<T>(work: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + VISIBLE_TIMEOUT_MS;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof CopilotError) || !error.retryable || Date.now() > deadline) throw error;
    }
  }
}

async function untilVisible(copilot: CopilotClient, count: number, suspended: number): Promise<void> {
  const deadline = Date.now() + VISIBLE_TIMEOUT_MS;
  while (
    (await copilot.count({ mode: 'one-shot' })) < count ||
    (await copilot.count({ status: 'suspended' })) < suspended
  ) {
    if (Date.now() > deadline) throw new Error(`Lists do not show ${count} sessions after ${VISIBLE_TIMEOUT_MS} ms.`);
    await sleep(100);
  }
}

type Question = readonly [title: string, criteria: Criteria, isWanted: (one: Planted) => boolean];

/** Each filter alone, and most of them together. */
function questions(planted: readonly Planted[]): readonly Question[] {
  const some = planted[Math.floor(planted.length / 2)];
  if (!some) throw new RangeError('there is no session to look for');
  const namePrefix = `${some.name.split(' number ')[0]} `;
  return [
    ['all', {}, () => true],
    ['mode', { mode: 'one-shot' }, () => true],
    // Changing sessions are suspended at times, so both lists may contain them or not.
    ['status active', { status: 'active' }, ({ isSuspended }) => !isSuspended],
    ['status suspended', { status: 'suspended' }, ({ isSuspended }) => isSuspended],
    ['user', { user: some.user }, ({ user }) => user === some.user],
    ['name', { name: some.name }, ({ name }) => name === some.name],
    ['name prefix', { namePrefix }, ({ name }) => name.startsWith(namePrefix)],
    [
      'user, mode, status, prefix',
      { user: some.user, mode: 'one-shot', status: 'active', namePrefix },
      ({ user, name, isSuspended }) => user === some.user && name.startsWith(namePrefix) && !isSuspended,
    ],
  ];
}

/** Suspends and resumes the sessions one after another, so that each keeps moving to the front of lists. */
function changeSome(planted: readonly Planted[]): { readonly ids: ReadonlySet<string>; stop(): Promise<number> } {
  let isStopped = false;
  const work = async (): Promise<number> => {
    let changes = 0;
    while (!isStopped) {
      for (const { session } of planted) {
        if (isStopped) break;
        await session.suspend();
        await session.continue();
        changes += 2;
        await sleep(CHANGE_INTERVAL_MS);
      }
    }
    return changes;
  };
  const working = work();
  // `stop` reports a failure; until then it must not end the process.
  working.catch(() => undefined);
  return {
    ids: new Set(planted.map(({ session }) => session.id)),
    stop: async () => {
      isStopped = true;
      return await working;
    },
  };
}

async function readPages(reader: CopilotClient, criteria: Criteria, countRequests: () => number): Promise<Reading> {
  const ids: string[] = [];
  const times: string[] = [];
  const ms: number[] = [];
  const requests: number[] = [];
  for (let after: string | null | undefined; after !== null;) {
    const before = countRequests();
    const cursor = after === undefined ? {} : { after };
    ms.push(
      await timed(async () => {
        const page = await reader.list({ ...criteria, limit: PAGE_LIMIT, ...cursor });
        ids.push(...page.sessions.map(({ id }) => id));
        times.push(...page.sessions.map(({ updatedAt }) => updatedAt));
        after = page.next;
      }),
    );
    requests.push(countRequests() - before);
  }
  return { ids, ms, requests, isOrdered: times.every((time, n) => n === 0 || time <= (times[n - 1] ?? '')) };
}

function report(
  title: string,
  { ids, isOrdered, ms, requests }: Reading,
  { wanted, changing }: { wanted: readonly Planted[]; changing: ReadonlySet<string> },
): void {
  const seen = new Set(ids);
  const expected = new Set(wanted.map(({ session }) => session.id));
  // A session that changed after the first page was read has moved in front of it.
  const missing = [...expected].filter((id) => !seen.has(id) && !changing.has(id)).length;
  const moved = [...expected].filter((id) => !seen.has(id) && changing.has(id)).length;
  const foreign = [...seen].filter((id) => !expected.has(id) && !changing.has(id)).length;
  const repeats = ids.length - seen.size;
  show(`list by ${title}, a page`, ms);
  const total = requests.reduce((sum, count) => sum + count, 0);
  const perPage = (total / requests.length).toFixed(1);
  const isGood = isOrdered && missing === 0 && foreign === 0 && repeats === 0;
  console.log(
    `  ${ids.length} rows; requests a page: mean ${perPage}, first ${requests[0]}, most ${Math.max(...requests)}; ` +
      `${isGood ? 'complete' : 'NOT COMPLETE'}: missing ${missing}, foreign ${foreign}, repeated ${repeats}, ` +
      `moved to the front ${moved}, newest first ${isOrdered ? 'yes' : 'NO'}`,
  );
  if (!isGood) process.exitCode = 1;
}

function isVisibilityRequest(method: string): boolean {
  return method === 'ListWorkflowExecutions' || method === 'CountWorkflowExecutions';
}

export async function inParallel(workers: number, work: () => Promise<void>): Promise<void> {
  await Promise.all(Array.from({ length: workers }, work));
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
