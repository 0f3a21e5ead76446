/**
 * The stored histories replay on the present code, and between them they show everything that a session can be told and
 * can do. `npm run histories` records them. This test needs no server.
 */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DefaultLogger, Worker } from '@temporalio/worker';
import { packageDir } from '../../src/package-info.ts';
import * as messages from '../../src/contracts/messages.ts';
import * as payloads from '../../src/contracts/payloads.ts';
import { MergeStrategy } from '../../src/contracts/context.ts';
import { Decision, RequestKind } from '../../src/contracts/request.ts';
import { copilotMode } from '../../src/contracts/search-attributes.ts';
import { BUILT_IN_MODES } from '../../src/contracts/team.ts';
import { isSettled, TurnStatus } from '../../src/contracts/turn.ts';
import { createWorkerDataConverter } from '../../src/storage/data-converter.ts';
import { workflowCode } from '../helpers/workflow-code.ts';
import { installRuntime } from '../../src/worker/runtime.ts';
import { activities } from '../../src/workflows/activities.ts';
import * as workflows from '../../src/workflows/index.ts';
import { recordingOf } from './recorder.ts';
import { recordings } from './recordings/all.ts';

const dir = join(packageDir, 'test', 'replay', 'histories');
const quiet = new DefaultLogger('ERROR', () => {});
const files = readdirSync(dir).filter((name) => name.endsWith('.json'));
/** Of released versions, each in a folder of its own. Open sessions have such histories, so these never change. */
const releasedDir = join(packageDir, 'test', 'replay', 'released');
const released = existsSync(releasedDir)
  ? readdirSync(releasedDir, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.json'))
  : [];
const read = (file: string): string => readFileSync(join(dir, file), 'utf8');

/** Names of the signals or updates in the contract. */
const named = (kind: 'signal' | 'update'): string[] =>
  Object.values(messages).flatMap((value) =>
    typeof value === 'object' && 'name' in value && value.type === kind ? [value.name] : [],
  );

/** Events of the server that a session must cope with. */
const EVENTS = [
  'ACTIVITY_TASK_CANCELED',
  'ACTIVITY_TASK_CANCEL_REQUESTED',
  'ACTIVITY_TASK_FAILED',
  'ACTIVITY_TASK_TIMED_OUT',
  'EXTERNAL_WORKFLOW_EXECUTION_SIGNALED',
  'MARKER_RECORDED',
  'SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_FAILED',
  'TIMER_CANCELED',
  'TIMER_FIRED',
  'WORKFLOW_EXECUTION_CANCEL_REQUESTED',
  'WORKFLOW_EXECUTION_COMPLETED',
  'WORKFLOW_EXECUTION_CONTINUED_AS_NEW',
  'WORKFLOW_EXECUTION_FAILED',
  'WORKFLOW_EXECUTION_TERMINATED',
];

/** By kind, the names of everything that the code has. */
const EVERYTHING: Readonly<Record<string, readonly string[]>> = {
  workflow: Object.keys(workflows),
  activity: Object.keys(activities).map((name) => `copilot${name.charAt(0).toUpperCase()}${name.slice(1)}`),
  signal: named('signal'),
  update: named('update'),
  mode: Object.keys(BUILT_IN_MODES),
  decision: Decision.options,
  request: RequestKind.options,
  'change of a plan': payloads.EditPlanPayload.shape.edits.element.options.map(({ shape }) => shape.op.value),
  'change of the context': payloads.EditContextPayload.shape.edit.options.map(({ shape }) => shape.op.value),
  'merge strategy': MergeStrategy.options,
  'status of a turn': TurnStatus.options.filter(isSettled),
  event: EVENTS,
};

/** The parts of a stored event that this test reads. */
interface StoredEvent {
  readonly eventType: string;
  readonly activityTaskScheduledEventAttributes?: { readonly activityType: Named };
  readonly workflowExecutionSignaledEventAttributes?: { readonly signalName: string };
  readonly workflowExecutionStartedEventAttributes?: {
    readonly workflowType: Named;
    readonly continuedExecutionRunId?: string;
    readonly searchAttributes?: { readonly indexedFields: Readonly<Record<string, Encoded>> };
  };
  readonly workflowExecutionUpdateAcceptedEventAttributes?: {
    readonly acceptedRequest: { readonly input: Named & { readonly args?: Payloads } };
  };
  readonly workflowExecutionUpdateCompletedEventAttributes?: { readonly outcome: { readonly success?: Payloads } };
  /** Of a local activity. */
  readonly markerRecordedEventAttributes?: { readonly details: { readonly data?: Payloads } };
}
interface Named {
  readonly name: string;
}
interface Encoded {
  /** JSON in base64. */
  readonly data?: string;
}
interface Payloads {
  readonly payloads: readonly Encoded[];
}
/** What updates bring and answer, as far as this test reads it. */
interface Brought {
  readonly decision?: string;
  readonly edits?: readonly { readonly op: string }[];
  readonly edit?: { readonly op: string; readonly strategy?: string };
  readonly kind?: string;
  readonly status?: string;
}

interface LocalActivity {
  readonly activity_type: string;
}

// The casts here and below are safe: our own script wrote these files.
const eventsOf = (file: string): StoredEvent[] => (JSON.parse(read(file)) as { events: StoredEvent[] }).events;
const decoded = (payload: Encoded | undefined): unknown =>
  payload?.data === undefined ? undefined : (JSON.parse(Buffer.from(payload.data, 'base64').toString()) as unknown);
const brought = (of: Payloads | undefined): Brought => (decoded(of?.payloads[0]) as Brought | undefined) ?? {};

/** Names in an event, with their kinds. */
function namesIn(event: StoredEvent): (readonly [kind: string, name: string | undefined])[] {
  const started = event.workflowExecutionStartedEventAttributes;
  const update = event.workflowExecutionUpdateAcceptedEventAttributes?.acceptedRequest.input;
  const { decision, edit, edits = [] } = brought(update?.args);
  const local = decoded(event.markerRecordedEventAttributes?.details.data?.payloads[0]) as LocalActivity | undefined;
  const answered = brought(event.workflowExecutionUpdateCompletedEventAttributes?.outcome.success);
  return [
    ['event', event.eventType.replace('EVENT_TYPE_', '')],
    ['workflow', started?.workflowType.name],
    ['mode', decoded(started?.searchAttributes?.indexedFields[copilotMode.name]) as string | undefined],
    ['activity', event.activityTaskScheduledEventAttributes?.activityType.name],
    ['activity', local?.activity_type],
    ['signal', event.workflowExecutionSignaledEventAttributes?.signalName],
    ['update', update?.name],
    ['decision', decision],
    ['change of the context', edit?.op],
    // The default of the `merge` operation.
    ['merge strategy', edit?.op === 'merge' ? (edit.strategy ?? 'safe') : undefined],
    ['request', answered.kind],
    ['status of a turn', answered.status],
    ...edits.map(({ op }) => ['change of a plan', op] as const),
  ];
}

describe('[R07] stored histories', function () {
  this.timeout(600_000);
  let options: Parameters<typeof Worker.runReplayHistory>[0];
  const problems = new Map<string, Error | undefined>();

  before(async () => {
    installRuntime(quiet);
    options = {
      workflowBundle: { code: await workflowCode() },
      // The converter of a worker without keys.
      dataConverter: createWorkerDataConverter({ encryptionKeys: [] }),
    };
    // One worker replays all of them, since it takes longer to start than a history to replay.
    const paths = [
      ...files.map((file) => [file, join(dir, file)] as const),
      ...released.map((file) => [file, join(releasedDir, file)] as const),
    ];
    const histories = paths.map(([workflowId, path]) => ({
      workflowId,
      history: JSON.parse(readFileSync(path, 'utf8')) as unknown,
    }));
    for await (const { workflowId: file, error } of Worker.runReplayHistories(options, histories))
      problems.set(file, error);
  });

  it('are those that `npm run histories` records', () => {
    const recorded = [...new Set(files.map(recordingOf))].sort();
    assert.deepEqual(recorded, recordings.map(({ name }) => name).sort());
  });

  for (const [kind, names] of Object.entries(EVERYTHING)) {
    it(`have every ${kind} that there is`, () => {
      const found = files.flatMap(eventsOf).flatMap(namesIn);
      const recorded = new Set(found.flatMap(([of, name]) => (of === kind ? [name] : [])));
      assert.ok(names.length > 0);
      assert.deepEqual(
        names.filter((name) => !recorded.has(name)),
        [],
        `no stored history has this ${kind}; add a recording of it to test/replay/recordings`,
      );
    });
  }

  it('have runs that begin with the state of another run', () => {
    const isNext = (event: StoredEvent): boolean =>
      event.workflowExecutionStartedEventAttributes?.continuedExecutionRunId !== undefined;
    assert.ok(files.flatMap(eventsOf).some(isNext));
  });

  for (const file of [...files, ...released]) {
    it(`${file} replays`, () => {
      assert.ok(problems.has(file));
      assert.equal(problems.get(file), undefined);
    });
  }

  it('a history that the code would have written otherwise does not replay', async () => {
    const [file = ''] = files.filter((name) => read(name).includes('"copilotRunAgent"'));
    const changed = read(file).replaceAll('"copilotRunAgent"', '"runSomethingElse"');
    const replay = Worker.runReplayHistory(options, JSON.parse(changed));
    await assert.rejects(replay, { name: 'DeterminismViolationError' });
  });
});
