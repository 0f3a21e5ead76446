/** Tools of `copilot.config.ts`. Real server, real worker processes, a scripted model that calls what a message names. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { SessionConfig, SessionHandle, ToolProgressEvent, TurnView } from '../../src/client.ts';
import { packageDir } from '../../src/package-info.ts';
import { startCli } from '../helpers/cli.ts';
import { collect, fails, isTurnEnd } from '../helpers/client.ts';
import { itInFull, someOf } from '../helpers/full.ts';
import { fullHistory, until } from '../helpers/history.ts';
import { writeTeam } from '../helpers/own-team.ts';
import { decideNext, nextRequest } from '../helpers/requests.ts';
import { temporaryFolder } from '../helpers/server.ts';
import { playToolCalls } from '../helpers/tool-script.ts';
import { programEnvironment } from '../helpers/worker.ts';
import { startWorld, type World } from '../helpers/world.ts';

const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

/** @param probe file that tools append to, so that a test sees what they did */
const configFile = (probe: string): string => `
import { appendFileSync, existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { defineConfig, defineTool } from ${JSON.stringify(join(packageDir, 'src/worker.ts'))};
import { z } from ${JSON.stringify(import.meta.resolve('zod'))};

const probe = ${JSON.stringify(probe)};
const note = (line: string): void => appendFileSync(probe, line + '\\n');
const none = z.object({});

const whereAmI = defineTool({
  name: 'where_am_i', description: 'Says where it runs.', category: 'read', effects: 'none', parameters: none,
  run: (_, { session, turn, step, attempt, idempotencyKey, workspace, log }) => {
    log.info('asked where it runs');
    return { session, turn, step: step ?? null, attempt, idempotencyKey, workspace };
  },
});
const refund = defineTool({
  name: 'refund', description: 'Pays money back.', category: 'network', effects: 'external',
  parameters: z.object({ order: z.string(), amount: z.number(), note: z.string().optional() }),
  needsApproval: ({ amount }, { session }) => {
    if (amount < 0) throw new Error('who knows');
    return amount > 100 || session === '';
  },
  run: ({ order, amount }) => { note('refund ' + order + ' ' + amount); return { order, paid: amount }; },
});
const slowly = defineTool({
  name: 'slowly', description: 'Takes its time.', category: 'network', effects: 'external', parameters: z.object({ id: z.string() }),
  run: async ({ id }, { idempotencyKey, attempt, report, signal }) => {
    note('begun ' + id + ' ' + attempt + ' ' + idempotencyKey);
    for (let done = 0; !existsSync(probe + '.' + id); done++) {
      report({ text: 'waiting for ' + id, done, total: 1000 });
      await sleep(100, undefined, { signal });
    }
    return 'came: ' + id;
  },
});
const patient = defineTool({
  name: 'patient', description: 'Waits until it is stopped.', category: 'read', effects: 'none', parameters: none,
  run: async (_, { signal }) => {
    note('waits');
    signal.addEventListener('abort', () => note('aborted'));
    await sleep(600_000, undefined, { signal });
  },
});
const endless = (effects: 'none' | 'external') => defineTool({
  name: 'endless_' + effects, description: 'Heeds nothing.', category: 'read', effects, timeoutMs: 500, parameters: none,
  run: () => new Promise(() => undefined),
});
const broken = defineTool({
  name: 'broken', description: 'Throws.', category: 'read', effects: 'none', parameters: none,
  run: () => { throw new TypeError('no connection to the warehouse'); },
});
const careless = defineTool({
  name: 'careless', description: 'Forgets a promise.', category: 'read', effects: 'none', parameters: none,
  run: () => { void Promise.reject(new Error('forgotten ' + process.pid)); return 'on its way'; },
});
const picture = defineTool({
  name: 'picture', description: 'Gives an image.', category: 'read', effects: 'none', parameters: none,
  run: () => ({ text: 'a dot', images: [Buffer.from('${PNG}', 'base64')] }),
});
export default defineConfig({
  teams: 'teams',
  tools: [whereAmI, refund, slowly, patient, endless('none'), endless('external'), broken, careless, picture],
});
`;

const TOOLS = [
  'where_am_i',
  'refund',
  'slowly',
  'patient',
  'endless_none',
  'endless_external',
  'broken',
  'careless',
  'picture',
];

describe("[E01] tools of one's own", function () {
  this.timeout(300_000);
  let world: World;
  let folder: string;
  let probe: string;

  before(async () => {
    folder = await temporaryFolder();
    probe = join(folder, 'probe.txt');
    await writeFile(probe, '');
    await writeFile(join(folder, 'copilot.config.ts'), configFile(probe));
    const tools = [...TOOLS, 'list_files'];
    await writeTeam(join(folder, 'teams'), 'default', { agents: { writer: { tools }, engineer: { tools } } });
    world = await startWorld({ cwd: folder });
    playToolCalls(world.model);
  });
  after(async () => {
    await world?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const noted = async (): Promise<string[]> =>
    (await readFile(probe, 'utf8')).split('\n').filter((line) => line !== '');
  const start = (config: SessionConfig = {}, mode = 'one-shot'): Promise<SessionHandle> =>
    world.copilot.create({ mode, config });
  const use = (tool: string, args: object = {}): string => `use ${tool} with ${JSON.stringify(args)}`;
  const restart = async (): Promise<void> => {
    await Promise.all(world.workers.splice(0).map((worker) => worker.kill()));
    await world.startWorker();
  };

  it('know where they run, in a direct answer and in a step of a plan', async () => {
    const session = await start();
    const turn = await session.send(use('where_am_i'));
    const told: unknown = JSON.parse(turn.reply.replace('where_am_i gave: ', ''));
    assert.deepEqual(told, {
      session: session.id,
      turn: turn.id,
      step: null,
      attempt: 1,
      idempotencyKey: `${session.id}/${turn.id}/one-shot/1/1`,
      workspace: join(world.server.homeDir, 'workspaces', session.id),
    });
    const planned = await start({}, 'planning-control');
    await planned.send(`${use('where_am_i')}, then ${use('broken')}`);
    const [first, second] = (await planned.plan())?.steps ?? [];
    assert.match(first?.summary ?? '', /"step":1,"attempt":1,"idempotencyKey":"[^"]+\/step-1\/1\/1"/);
    assert.match(second?.summary ?? '', /broken gave: broken: no connection to the warehouse/);
    const log = world.workers.map((worker) => worker.log()).join('');
    assert.match(log, new RegExp(`"session":"${session.id}","turn":"${turn.id}".*"tool":"where_am_i".*asked where`));
  });

  it('[H11] ask for approval by a predicate, with whole arguments: small ones run, others wait; a predicate that throws asks', async () => {
    const session = await start();
    assert.match((await session.send(use('refund', { order: 'a1', amount: 5 }))).reply, /"paid":5/);

    const note = `${'because '.repeat(400)}the end`;
    const large = await session.send(use('refund', { order: 'a2', amount: 500, note }));
    const request = await nextRequest(session);
    assert.deepEqual(JSON.parse(request.tool?.arguments ?? ''), { order: 'a2', amount: 500, note });
    assert.deepEqual([request.tool?.name, request.tool?.category], ['refund', 'network']);
    await decideNext(session, 'deny', { text: 'too much' });
    assert.match((await session.awaitTurn(large.id)).reply, /ada does not allow this call: too much/);

    const edited = await session.send(use('refund', { order: 'a3', amount: 500 }));
    const { id } = await nextRequest(session);
    const wrong = session.decide(id, 'once', { by: 'ada', arguments: { order: 'a3' } });
    await fails(wrong, 'InvalidInput', /"amount" is missing/);
    await session.decide(id, 'once', { by: 'ada', arguments: { order: 'a3', amount: 150 } });
    assert.match((await session.awaitTurn(edited.id)).reply, /ada changed the arguments.*"paid":150/s);

    const odd = await session.send(use('refund', { order: 'a4', amount: -1 }));
    await decideNext(session, 'once');
    assert.match((await session.awaitTurn(odd.id)).reply, /"paid":-1/);
    assert.deepEqual(
      (await noted()).filter((line) => line.startsWith('refund')),
      ['refund a1 5', 'refund a3 150', 'refund a4 -1'],
    );
  });

  itInFull(
    '[H14] whose worker is killed while it has an effect outside: a person decides, and nothing is repeated unasked',
    async () => {
      const [first, second] = [await start(), await start()];
      const turns: TurnView[] = [];
      for (const [session, id] of [
        [first, 'k1'],
        [second, 'k2'],
      ] as const) {
        turns.push(await session.send(use('slowly', { id }), { wait: false }));
        await until(
          'the call',
          async () => (await noted()).some((line) => line.startsWith(`begun ${id} `)) || undefined,
        );
      }
      await restart();
      for (const session of [first, second]) {
        const request = await nextRequest(session, 90_000);
        assert.equal(request.kind, 'outcome');
        assert.match(request.question, /^Did slowly .*take effect\?/);
      }
      await decideNext(first, 'done', { text: 'it came' });
      await writeFile(`${probe}.k2`, '');
      await decideNext(second, 'try-again');
      assert.match((await first.awaitTurn(turns[0]?.id ?? '')).reply, /slowly gave: it came/);
      assert.match((await second.awaitTurn(turns[1]?.id ?? '')).reply, /slowly gave: came: k2/);
      const begun = (await noted()).filter((line) => /^begun k[12] /.test(line)).map((line) => line.split(' '));
      assert.deepEqual(
        begun.map(([, id, attempt]) => [id, attempt]),
        [
          ['k1', '1'],
          ['k2', '1'],
          ['k2', '2'],
        ],
      );
      assert.equal(begun[1]?.[3], begun[2]?.[3]); // the idempotency key
    },
  );

  it('report how far they are, to followers and on the command line', async () => {
    const session = await start();
    const watch = startCli(['follow', session.id], programEnvironment(world.server));
    const reports: ToolProgressEvent[] = [];
    const following = collect(session, (event) => {
      if (event.type === 'tool-progress') reports.push(event);
      return isTurnEnd(event);
    });
    const turn = await session.send(use('slowly', { id: 'r1' }), { wait: false });
    await watch.untilStdout(/slowly: waiting for r1 \(\d+ of 1000\)/, 60_000);
    await until('a second report', () => Promise.resolve(reports.length > 1 || undefined));
    await writeFile(`${probe}.r1`, '');
    await following;
    watch.process.kill();
    const [report, next] = reports;
    assert.deepEqual(
      [report?.tool, report?.text, report?.total, report?.turnId],
      ['slowly', 'waiting for r1', 1_000, turn.id],
    );
    assert.ok((report?.done ?? 0) < (next?.done ?? 0));
  });

  it('hear that their turn was interrupted', async () => {
    const session = await start();
    const { id } = await session.send(use('patient'), { wait: false });
    await until('the call', async () => (await noted()).includes('waits') || undefined);
    await session.interrupt();
    assert.equal((await session.awaitTurn(id)).status, 'interrupted');
    await until('its end', async () => (await noted()).includes('aborted') || undefined);
  });

  it('end at their time, heeded or not; with an effect outside a person is asked what became of it', async () => {
    const session = await start();
    assert.match((await session.send(use('endless_none'))).reply, /endless_none: it did not end within 0\.5 s/);
    const { id } = await session.send(use('endless_external'));
    const request = await nextRequest(session);
    assert.deepEqual([request.kind, request.unknown?.problem], ['outcome', 'it did not end within 0.5 s']);
    await decideNext(session, 'not-done');
    assert.equal((await session.awaitTurn(id)).status, 'completed');
  });

  it('do not end the worker by a promise that they forget', async () => {
    const [worker] = world.workers;
    const turn = await (await start()).send(use('careless'));
    assert.equal(turn.reply, 'careless gave: on its way');
    await until('the log', () => Promise.resolve(worker?.log().includes(`forgotten ${worker.pid}`) || undefined));
    assert.match((await (await start()).send(use('careless'))).reply, /on its way/);
    assert.equal(world.workers.length, 1);
  });

  it('give images, which become files that the model sees', async () => {
    const session = await start();
    const turn = await session.send(use('picture'));
    const [file = ''] = turn.artifacts;
    assert.match(file, /^tool-output\/[0-9a-f]+\.png$/);
    assert.ok(existsSync(join(world.server.homeDir, 'workspaces', session.id, file)));
    const asked = JSON.stringify(world.model.requests.at(-1)?.body);
    assert.match(asked, /a dot\\n\[Image file: tool-output/);
    assert.ok(asked.includes(PNG));
  });

  it('[E02] are listed by `copilot doctor`, and are as good in a ceiling as built-in ones', async () => {
    const env = programEnvironment(world.server, { COPILOT_DENY_TOOLS: 'refnd' });
    const { stdout } = await startCli(['doctor', '--json'], env, folder).ended;
    const checks = JSON.parse(stdout) as { check: string; status: string; detail: string }[];
    const found = (name: string) => checks.find(({ check }) => check === name);
    assert.match(
      found('tool refund')?.detail ?? '',
      /^network, effects external, at most 60 s, may ask for approval \(.*copilot\.config\.ts:\d+\)$/,
    );
    assert.equal(found('team default')?.status, 'ok');
    assert.match(found('ceilings')?.detail ?? '', /no category or tool "refnd"; did you mean "refund"/);
  });

  it('[E02] are refused with file and line by whatever starts in their folder, if one of them is wrong', async () => {
    const wrong = join(folder, 'wrong');
    await mkdir(wrong);
    const source = (await readFile(join(folder, 'copilot.config.ts'), 'utf8')).replace(
      "name: 'broken'",
      "name: 'out of order'",
    );
    await writeFile(join(wrong, 'copilot.config.ts'), source);
    const line = source.slice(0, source.indexOf('const broken')).split('\n').length;
    const place = new RegExp(
      `${join(wrong, 'copilot.config.ts')}:${line}\\) cannot be used: name: use 1 to 64 letters`,
    );
    const env = programEnvironment(world.server);
    for (const command of someOf(['worker', 'dev', 'demo'], 1)) {
      const { code, stderr } = await startCli([command], env, wrong).ended;
      assert.deepEqual([command, code], [command, 2]);
      assert.match(stderr, place);
    }
    const { stdout } = await startCli(['doctor'], env, wrong).ended;
    assert.match(stdout, new RegExp(`missing +config file .*${place.source}`));
  });

  it('[H12] are never run by a worker whose operator denies them', async () => {
    await Promise.all(world.workers.splice(0).map((worker) => worker.kill()));
    const teams = join(folder, 'other-teams');
    await writeTeam(teams, 'other', { agents: { writer: { tools: TOOLS } } });
    // The environment goes before `teams` of the file.
    const worker = await world.startWorker({ COPILOT_DENY_TOOLS: 'refund', COPILOT_AGENTS_DIR: teams });
    const before = (await noted()).length;
    const session = await world.copilot.create({ team: 'other', mode: 'one-shot' });
    const turn = await session.send(use('refund', { order: 'b1', amount: 1 }));
    assert.match(turn.reply, /There is no tool "refund"|never runs "refund"/);
    assert.equal((await noted()).length, before);
    await worker.kill();
  });

  describe('wait for a worker that has them', () => {
    let session: SessionHandle;
    beforeEach(async () => {
      await Promise.all(world.workers.splice(0).map((worker) => worker.kill()));
      await world.startWorker();
      session = await start();
    });

    /** The same teams, and no config file: it cannot open this one. */
    async function replaceWorker(): Promise<void> {
      await Promise.all(world.workers.splice(0).map((worker) => worker.kill()));
      await world.startWorker({ COPILOT_AGENTS_DIR: join(folder, 'teams') }, packageDir);
    }

    itInFull('if the model is to be asked; followers see why', async () => {
      assert.match((await session.send(use('broken'))).reply, /no connection/);
      await replaceWorker();
      const retried = collect(session, ({ type }) => type === 'retry');
      const { id } = await session.send(use('refund', { order: 'c1', amount: 1 }), { wait: false });
      const retry = (await retried).at(-1);
      assert.ok(retry?.type === 'retry');
      assert.equal(retry.error.type, 'ToolMissing');
      assert.match(retry.error.message, /lacks the tool "\w+".*`tools` in copilot\.config\.ts of every worker/);
      await world.startWorker();
      assert.match((await session.awaitTurn(id)).reply, /"paid":1/);
    });

    itInFull('if the tool is to be called; it is called once', async () => {
      const { id } = await session.send(use('refund', { order: 'c2', amount: 500 }));
      await nextRequest(session);
      await replaceWorker();
      await decideNext(session, 'once');
      await until('the refusal of the worker', async () => (await missesOf(session)) > 0 || undefined, 60_000);
      await world.startWorker();
      assert.match((await session.awaitTurn(id)).reply, /"paid":500/);
      const refunds = (await noted()).filter((line) => line.startsWith('refund c2'));
      assert.deepEqual(refunds, ['refund c2 500']);
    });

    const missesOf = async ({ id }: SessionHandle): Promise<number> =>
      (await fullHistory(world.temporal, id)).filter(
        (event) => event.activityTaskFailedEventAttributes?.failure?.applicationFailureInfo?.type === 'ToolMissing',
      ).length;
  });
});
