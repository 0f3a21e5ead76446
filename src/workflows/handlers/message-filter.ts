/**
 * Keeps signals, updates and starts from the SDK that would hold the session up. The SDK fails the whole workflow task,
 * again and again, if it cannot decode the arguments of a signal or a start, or if a signal has a reserved name. The
 * server ends a workflow that accepts an update that is too large.
 */
import type { Payload } from '@temporalio/common';
import {
  defineSignal,
  defineUpdate,
  patched,
  setHandler,
  type WorkflowInterceptors,
  workflowInfo,
} from '@temporalio/workflow';
import { toFailure } from '../../contracts/errors.ts';
import { MAX_PAYLOAD_BYTES } from '../../contracts/limits.ts';
import { WORKFLOW_TYPES } from '../../contracts/messages.ts';
import { tryToRead, UnreadablePayload } from '../../contracts/payload-converter.ts';
import { detailsInterceptor } from '../views/current-details.ts';
import { converterInUse } from '../sdk-internals.ts';
import { refuseEarlyEvents } from './early-events.ts';
import { limitUpdates } from './update-limit.ts';
import { beginningOf } from '../../contracts/text-cut.ts';

type Internals = NonNullable<WorkflowInterceptors['internals']>[number];
type Activation = Parameters<NonNullable<Internals['activate']>>[0]['activation'];
type Job = NonNullable<Activation['jobs']>[number];
type Signal = NonNullable<Job['signalWorkflow']>;
type Update = NonNullable<Job['doUpdate']>;
type Start = NonNullable<Job['initializeWorkflow']>;

/** Stands for a signal that the SDK must not see, with its name and what is wrong with it. */
export const undecodableSignal = defineSignal<[name: string, problem: string]>('undecodable signal');

const refusedUpdate = defineUpdate<void, [name: string, problem: string]>('refused update');

/** Refuses updates that stand for ones that the SDK must not see. */
export function refuseUndecodableUpdates(): void {
  setHandler(refusedUpdate, () => undefined, {
    validator: (name, problem) => {
      throw toFailure('InvalidInput', { what: `Update "${name}"`, problem });
    },
  });
}

/** The SDK takes no signals of others with this prefix. */
const RESERVED = '__temporal_';
const NO_SUCH_SIGNAL = 'there is no such signal';
/** All updates together that one task answers, if there are several. */
const MAX_TOGETHER_BYTES = 1024 * 1024;
const MAX_PROBLEM_TEXT = 300;
const MAX_NAME = 100;

/** The worker puts these into the bundle. The workflows of a service in the same bundle go without. */
export const interceptors = (): WorkflowInterceptors =>
  WORKFLOW_TYPES.includes(workflowInfo().workflowType)
    ? { inbound: [limitUpdates()], internals: [refuseEarlyEvents(), detailsInterceptor, filter] }
    : {};

const filter: Internals = {
  activate: ({ activation, ...input }, next) => {
    const jobs = withoutTooManyBytes(activation.jobs ?? []);
    for (const { signalWorkflow, doUpdate, initializeWorkflow } of jobs) {
      if (signalWorkflow) replaceSignal(signalWorkflow);
      if (doUpdate && isNew(doUpdate)) replaceUpdate(doUpdate);
      if (initializeWorkflow) dropArguments(initializeWorkflow);
    }
    next({ ...input, activation: { ...activation, jobs } });
  },
};

/** Whether the update is not accepted yet. An accepted one must not change. */
function isNew({ runValidator }: Update): boolean {
  return runValidator === true;
}

/**
 * The answer to an update contains the whole update, even if it refuses it, and gRPC takes 4 MiB for all answers of a
 * task. Updates that are too large together get no answer, and the server has them sent again.
 */
function withoutTooManyBytes(jobs: readonly Job[]): Job[] {
  let total = 0;
  return jobs.filter(({ doUpdate }) => {
    if (!doUpdate || !isNew(doUpdate)) return true;
    const bytes = bytesOf(doUpdate.input ?? []);
    const isKept = total === 0 || total + bytes <= MAX_TOGETHER_BYTES;
    if (isKept) total += bytes;
    return isKept;
  });
}

function bytesOf(payloads: readonly Payload[]): number {
  return payloads.reduce((sum, { data }) => sum + (data?.length ?? 0), 0);
}

function replaceSignal(signal: Signal): void {
  const { signalName = '' } = signal;
  const problem = signalProblem(signal);
  if (problem === undefined) return;
  signal.signalName = undecodableSignal.name;
  signal.input = payloadsOf(signalName ?? '', problem);
}

function signalProblem({ signalName, input, originatingEventId }: Signal): string | undefined {
  if (signalName?.startsWith(RESERVED) || signalName === undecodableSignal.name) return NO_SUCH_SIGNAL;
  const problem = firstProblem(input ?? []);
  // Another worker may have the key. A marker in the history makes it ignore the signal as well.
  const mark = `unreadable-signal-${String(originatingEventId)}`;
  if (problem?.isLocal) return patched(mark) ? problem.text : undefined;
  if (!problem && workflowInfo().unsafe.isReplaying && patched(mark)) return 'another worker could not read it';
  return problem?.text;
}

function replaceUpdate(update: Update): void {
  const name = beginningOf(update.name ?? '', MAX_NAME);
  const problem = updateProblem(update);
  if (problem === undefined) return;
  update.name = refusedUpdate.name;
  update.input = payloadsOf(name, problem);
}

function updateProblem({ name, input }: Update): string | undefined {
  if (name === refusedUpdate.name) return 'there is no such update';
  const bytes = bytesOf(input ?? []);
  if (bytes > MAX_PAYLOAD_BYTES) return `it is ${bytes} bytes long, and ${MAX_PAYLOAD_BYTES} are allowed`;
  const problem = firstProblem(input ?? []);
  // If only this worker cannot read the update, its sender is told so by the worker.
  return problem?.isLocal ? undefined : problem?.text;
}

function payloadsOf(...texts: string[]): Payload[] {
  return texts.map((text) => converterInUse().toPayload(text));
}

/** The start then fails because it has no input. What only this worker cannot read stays, since another may. */
function dropArguments(start: Start): void {
  if (start.continuedFromExecutionRunId) return;
  const problem = firstProblem(start.arguments ?? []);
  if (problem && !problem.isLocal) start.arguments = [];
}

interface Problem {
  readonly text: string;
  /** Whether the cause is this worker, which lacks the key or the store. */
  readonly isLocal: boolean;
}

function firstProblem(payloads: readonly Payload[]): Problem | undefined {
  const converter = converterInUse();
  for (const payload of payloads) {
    try {
      tryToRead(converter, payload);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const text = beginningOf(`it cannot be read: ${reason}`, MAX_PROBLEM_TEXT).replace(/\.$/, '');
      return { text, isLocal: error instanceof UnreadablePayload && error.isLocal };
    }
  }
  return undefined;
}
