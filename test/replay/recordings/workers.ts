/** Workers that die, stop, fail or are replaced by another build. */
import assert from 'node:assert/strict';
import { until } from '../../helpers/history.ts';
import { openLedger } from '../../helpers/ledger.ts';
import { calling } from '../../helpers/replies.ts';
import { decideNext, nextRequest } from '../../helpers/requests.ts';
import { ended, exchange, LONG_TALK, record, type Stage, untilRun, untilTalking } from '../recorder.ts';

const SHELL = {
  team: { approvals: { tools: { shell: 'allow' as const } } },
  agents: { writer: { tools: ['shell'] } },
};
/** Longer than a worker that stops waits for a call. */
const EFFECT_MS = 60_000;

/** Sends a message whose answer has an effect outside, and comes back in the middle of that. */
async function beginEffect({ server, create, play, name }: Stage) {
  const ledger = await openLedger(`${server.homeDir}/${name}.txt`, EFFECT_MS);
  play({
    instead: ({ lastRole }) =>
      lastRole === 'user' ? calling(['shell', { command: ledger.command('mail') }]) : undefined,
  });
  const session = await create();
  await session.send('mail', { wait: false });
  await until('the effect', async () => (await ledger.entries()).length > 0);
  return { ledger, session };
}

record('effect-of-a-killed-worker', { ownWorkers: true, team: SHELL }, async (stage) => {
  const worker = await stage.startWorker();
  const { ledger, session } = await beginEffect(stage);
  await worker.kill();
  await stage.startWorker();
  await decideNext(session, 'try-again');
  await ended(session);
  await ledger.close();
});

record('edited-call-of-a-killed-worker', { ownWorkers: true, team: SHELL }, async (stage) => {
  const worker = await stage.startWorker();
  const ledger = await openLedger(`${stage.server.homeDir}/${stage.name}.txt`, EFFECT_MS);
  stage.play({
    instead: ({ lastRole }) => (lastRole === 'user' ? calling(['shell', { command: 'true' }]) : undefined),
  });
  const session = await stage.create({ config: { approvals: { tools: { shell: 'ask' } } } });
  await session.send('mail', { wait: false });
  const { id } = await nextRequest(session);
  await session.decide(id, 'once', { by: 'ada', arguments: { command: ledger.command('mail') } });
  await until('the effect', async () => (await ledger.entries()).length > 0);
  await worker.kill();
  await stage.startWorker();
  await nextRequest(session);
  await stage.temporal.workflow.getHandle(stage.name).signal('move');
  await untilRun(session, 2);
  await decideNext(session, 'done');
  await ended(session);
  await ledger.close();
});

record('effect-that-a-person-denies', { ownWorkers: true, team: SHELL }, async (stage) => {
  const worker = await stage.startWorker();
  const { ledger, session } = await beginEffect(stage);
  await worker.kill();
  await stage.startWorker();
  await decideNext(session, 'not-done', { text: 'the mail server was off' });
  await ended(session);
  await ledger.close();
});

record('effect-of-a-stopping-worker', { ownWorkers: true, team: SHELL }, async (stage) => {
  const worker = await stage.startWorker();
  const { ledger, session } = await beginEffect(stage);
  await worker.stop();
  await stage.startWorker();
  await decideNext(session, 'done', { text: 'it was sent' });
  await ended(session);
  await ledger.close();
});

record('model-call-of-a-killed-worker', { ownWorkers: true, script: LONG_TALK }, async (stage) => {
  const worker = await stage.startWorker();
  const session = await stage.create();
  await session.send('talk', { wait: false });
  await untilTalking(session);
  await worker.kill();
  stage.play({ answer: 'short' });
  await stage.startWorker();
  await ended(session);
});

record('archive-failing', { ownWorkers: true }, async (stage) => {
  const worker = await stage.startWorker({ COPILOT_ARCHIVE_DIR: '/dev/null/archive' });
  const session = await stage.create();
  await exchange(session, 'hello');
  const { archiveProblem } = await session.complete();
  assert.ok(archiveProblem);
  await worker.kill();
  await stage.startWorker();
  await stage.temporal.workflow.getHandle(stage.name).result();
});

record('on-two-builds', { ownWorkers: true, script: { files: ['a.txt', 'b.txt', 'c.txt'] } }, async (stage) => {
  const build = (buildId: string) => stage.startWorker({ COPILOT_DEPLOYMENT: stage.name, COPILOT_BUILD_ID: buildId });
  const first = await build('a');
  await makeCurrent(stage, 'a');
  const config = { historyLimit: 40, approvals: { tools: { write: 'ask' } } } as const;
  const session = await stage.create({ mode: 'planning-control', config });
  await session.send('write', { wait: false });
  await nextRequest(session);
  await build('b');
  await makeCurrent(stage, 'b');
  await decideNext(session, 'session');
  await ended(session);
  assert.ok((await session.info()).runs >= 2);
  await first.stop();
  await session.complete();
});

/** As `temporal worker deployment set-current-version` does. The server refuses it until it has heard of the worker. */
async function makeCurrent({ temporal, name }: Stage, buildId: string): Promise<void> {
  const version = { namespace: 'default', deploymentName: name, buildId, version: `${name}.${buildId}` };
  await until(`build ${buildId} is current`, () =>
    temporal.workflowService.setWorkerDeploymentCurrentVersion({ ...version, identity: 'stranger' }).then(
      () => true,
      () => false,
    ),
  );
}
