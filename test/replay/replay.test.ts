/**
 * Stored histories replay on the present code, and between them they have all that a session can be told and can do.
 * They are evidence: recorded once, never made anew. No server needed.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { packageDir } from '../../src/package-info.ts';
import * as messages from '../../src/contracts/messages.ts';
import * as payloads from '../../src/contracts/payloads.ts';
import { Decision } from '../../src/contracts/request.ts';
import { copilotMode } from '../../src/contracts/search-attributes.ts';
import { BUILT_IN_MODES } from '../../src/contracts/team.ts';
import { createDataConverter } from '../../src/storage/data-converter.ts';
import { failWhereUsed } from '../../src/storage/unreadable.ts';
import { buildBundle } from '../../src/worker/bundle.ts';
import { activities } from '../../src/workflows/activities.ts';
import * as workflows from '../../src/workflows/index.ts';

const dir = join(packageDir, 'test', 'replay', 'histories');
const quiet = new DefaultLogger('ERROR', () => {});
const files = readdirSync(dir).filter((name) => name.endsWith('.json'));
const read = (file: string): string => readFileSync(join(dir, file), 'utf8');

/** Names of the signals or updates in the contract. */
const named = (kind: 'signal' | 'update'): string[] =>
  Object.values(messages).flatMap((value) =>
    typeof value === 'object' && 'name' in value && value.type === kind ? [value.name] : [],
  );

/** By kind, the names of all that there is, as the code has it. */
const EVERYTHING: Readonly<Record<string, readonly string[]>> = {
  workflow: Object.keys(workflows),
  activity: Object.keys(activities),
  signal: named('signal'),
  update: named('update'),
  mode: Object.keys(BUILT_IN_MODES),
  decision: Decision.options,
  'change of a plan': payloads.EditPlanPayload.shape.edits.element.options.map(({ shape }) => shape.op.value),
  'change of the context': payloads.EditContextPayload.shape.edit.options.map(({ shape }) => shape.op.value),
};

/** What is looked at of an event, in the form that the `temporal` CLI writes. */
interface StoredEvent {
  readonly eventType: string;
  readonly activityTaskScheduledEventAttributes?: { readonly activityType: Named };
  readonly markerRecordedEventAttributes?: { readonly markerName: string };
  readonly workflowExecutionSignaledEventAttributes?: { readonly signalName: string };
  readonly workflowExecutionStartedEventAttributes?: {
    readonly workflowType: Named;
    readonly continuedExecutionRunId?: string;
    readonly searchAttributes?: { readonly indexedFields: Readonly<Record<string, Encoded>> };
  };
  readonly workflowExecutionUpdateAcceptedEventAttributes?: {
    readonly acceptedRequest: { readonly input: Named & { readonly args?: { readonly payloads: readonly Encoded[] } } };
  };
}
interface Named {
  readonly name: string;
}
interface Encoded {
  /** JSON in base64. */
  readonly data: string;
}
/** What updates of several names bring. */
interface Brought {
  readonly decision?: string;
  readonly edits?: readonly { readonly op: string }[];
  readonly edit?: { readonly op: string };
}

// Here and below: files of our own.
const eventsOf = (file: string): StoredEvent[] => (JSON.parse(read(file)) as { events: StoredEvent[] }).events;
const decoded = (payload: Encoded | undefined): unknown =>
  payload && (JSON.parse(Buffer.from(payload.data, 'base64').toString()) as unknown);

/** Names in an event, with their kinds. */
function namesIn(event: StoredEvent): (readonly [kind: string, name: string | undefined])[] {
  const started = event.workflowExecutionStartedEventAttributes;
  const update = event.workflowExecutionUpdateAcceptedEventAttributes?.acceptedRequest.input;
  const { decision, edit, edits = [] } = (decoded(update?.args?.payloads[0]) ?? {}) as Brought;
  return [
    ['workflow', started?.workflowType.name],
    ['mode', decoded(started?.searchAttributes?.indexedFields[copilotMode.name]) as string | undefined],
    ['activity', event.activityTaskScheduledEventAttributes?.activityType.name],
    ['signal', event.workflowExecutionSignaledEventAttributes?.signalName],
    ['update', update?.name],
    ['decision', decision],
    ['change of the context', edit?.op],
    ...edits.map(({ op }) => ['change of a plan', op] as const),
  ];
}

describe('[R07] stored histories', function () {
  this.timeout(180_000);
  let options: Parameters<typeof Worker.runReplayHistory>[0];
  const problems = new Map<string, Error | undefined>();

  before(async () => {
    if (!Runtime._instance) Runtime.install({ logger: quiet, shutdownSignals: [] });
    options = {
      workflowBundle: { code: await buildBundle(quiet) },
      // As a worker without keys reads them.
      dataConverter: createDataConverter({ encryptionKeys: [] }, failWhereUsed),
    };
    // By one worker for all: starting it takes longer than a replay.
    const histories = files.map((file) => ({ workflowId: file, history: JSON.parse(read(file)) as unknown }));
    for await (const { workflowId: file, error } of Worker.runReplayHistories(options, histories))
      problems.set(file, error);
  });

  it('are there', () => {
    assert.ok(files.length > 0, `no history in ${dir}`);
  });

  for (const [kind, names] of Object.entries(EVERYTHING)) {
    it(`have every ${kind} that there is`, () => {
      const found = files.flatMap(eventsOf).flatMap(namesIn);
      const recorded = new Set(found.flatMap(([of, name]) => (of === kind ? [name] : [])));
      assert.ok(names.length > 0);
      assert.deepEqual(
        names.filter((name) => !recorded.has(name)),
        [],
        `no stored history has this ${kind}; record one as CONTRIBUTING.md tells`,
      );
    });
  }

  it('have a first run that goes on in a next one, a next one, and marks of `patched`', () => {
    const runs = files.map((file) => {
      const events = eventsOf(file);
      const isNext = events.some((event) => event.workflowExecutionStartedEventAttributes?.continuedExecutionRunId);
      const movesOn = events.some(({ eventType }) => eventType === 'EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW');
      return { isFirst: !isNext && movesOn, isNext };
    });
    const marks = files.flatMap(eventsOf).map((event) => event.markerRecordedEventAttributes?.markerName);
    const kinds = {
      first: runs.some(({ isFirst }) => isFirst),
      next: runs.some(({ isNext }) => isNext),
      marked: marks.includes('core_patch'),
    };
    assert.deepEqual(kinds, { first: true, next: true, marked: true });
  });

  for (const file of files) {
    it(`${file} replays`, () => {
      assert.ok(problems.has(file));
      assert.equal(problems.get(file), undefined);
    });
  }

  it('a history that the code would have written otherwise does not replay', async () => {
    const [file = ''] = files.filter((name) => read(name).includes('"runAgent"'));
    const changed = read(file).replaceAll('"runAgent"', '"runSomethingElse"');
    const replay = Worker.runReplayHistory(options, JSON.parse(changed));
    await assert.rejects(replay, { name: 'DeterminismViolationError' });
  });
});
