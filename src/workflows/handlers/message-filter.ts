/**
 * What a session has to get out of the way before the SDK sees it: signals and starts of which that cannot make
 * arguments, or that it refuses by their name, since it would fail the whole task for them, again and again; and
 * updates that are too large, since the server ends a workflow that accepts one, and takes no answer to several.
 */
import { defaultPayloadConverter, type Payload } from '@temporalio/common';
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
import { payloadConverter, UnreadablePayload } from '../../contracts/payload-converter.ts';
import { limitUpdates } from './update-limit.ts';

type Activation = Parameters<
  NonNullable<NonNullable<WorkflowInterceptors['internals']>[number]['activate']>
>[0]['activation'];
type Job = NonNullable<Activation['jobs']>[number];
type Signal = NonNullable<Job['signalWorkflow']>;
type Update = NonNullable<Job['doUpdate']>;
type Start = NonNullable<Job['initializeWorkflow']>;

/** Stands in for a signal that cannot be handed on, with what it was called and what is wrong with it. */
export const unusableSignal = defineSignal<[name: string, problem: string]>('unusable signal');

const unusableUpdate = defineUpdate<void, [name: string, problem: string]>('unusable update');

/** Has updates refused that stand in for ones that cannot be handed on. */
export function refuseUnusable(): void {
  setHandler(unusableUpdate, () => undefined, {
    validator: (name, problem) => {
      throw toFailure('InvalidInput', { what: `Update "${name}"`, problem });
    },
  });
}

/** The SDK takes no signals of others with this prefix. */
const RESERVED = '__temporal_';
const NO_SUCH_SIGNAL = 'there is no such signal';
/** Of updates that one task answers, where there are several. */
const MAX_TOGETHER_BYTES = 1024 * 1024;
const MAX_PROBLEM_TEXT = 300;
const MAX_NAME = 100;

/** For the bundle. */
export const interceptors = (): WorkflowInterceptors => ({
  inbound: [limitUpdates()],
  internals: [
    {
      activate: ({ activation, ...input }, next) => {
        const jobs = withoutTooManyBytes(activation.jobs ?? []);
        for (const { signalWorkflow, doUpdate, initializeWorkflow } of jobs) {
          if (signalWorkflow) replaceUnusable(signalWorkflow);
          if (doUpdate && isNew(doUpdate)) replaceUnusableUpdate(doUpdate);
          if (initializeWorkflow) dropUnusable(initializeWorkflow);
        }
        next({ ...input, activation: { ...activation, jobs } });
      },
    },
  ],
});

/** Whether it is not accepted yet: what is stays as it is. */
function isNew({ runValidator }: Update): boolean {
  return runValidator === true;
}

/**
 * The answer to an update, also where that is refused, holds the whole of it, and gRPC takes 4 MiB for all answers of a
 * task. Those that are too much together get none: the server has them sent again.
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

function replaceUnusable(signal: Signal): void {
  const { signalName = '' } = signal;
  const problem = signalProblem(signal);
  if (problem === undefined) return;
  signal.signalName = unusableSignal.name;
  signal.input = payloadsOf(signalName ?? '', problem);
}

function signalProblem({ signalName, input, originatingEventId }: Signal): string | undefined {
  if (signalName?.startsWith(RESERVED) || signalName === unusableSignal.name) return NO_SUCH_SIGNAL;
  const problem = firstProblem(input ?? []);
  // Another worker may have the key: what was done here holds for it, too, and the marker in the history says so.
  const mark = `unreadable-signal-${String(originatingEventId)}`;
  if (problem?.isLocal) return patched(mark) ? problem.text : undefined;
  if (!problem && workflowInfo().unsafe.isReplaying && patched(mark)) return 'another worker could not read it';
  return problem?.text;
}

function replaceUnusableUpdate(update: Update): void {
  const name = (update.name ?? '').slice(0, MAX_NAME);
  const problem = updateProblem(update);
  if (problem === undefined) return;
  update.name = unusableUpdate.name;
  update.input = payloadsOf(name, problem);
}

function updateProblem({ name, input }: Update): string | undefined {
  if (name === unusableUpdate.name) return 'there is no such update';
  const bytes = bytesOf(input ?? []);
  if (bytes > MAX_PAYLOAD_BYTES) return `it is ${bytes} bytes long, and ${MAX_PAYLOAD_BYTES} are allowed`;
  const problem = firstProblem(input ?? []);
  // Whoever sent what this worker alone cannot read is told so in the worker's words.
  return problem?.isLocal ? undefined : problem?.text;
}

function payloadsOf(...texts: string[]): Payload[] {
  return texts.map((text) => defaultPayloadConverter.toPayload(text));
}

/** Then it fails for want of an input. What this worker alone cannot read stays: another one may. */
function dropUnusable(start: Start): void {
  if (start.continuedFromExecutionRunId) return;
  const problem = firstProblem(start.arguments ?? []);
  if (problem && !problem.isLocal) start.arguments = [];
}

interface Problem {
  readonly text: string;
  /** Whether it lies with this worker, which lacks the key or the store. */
  readonly isLocal: boolean;
}

function firstProblem(payloads: readonly Payload[]): Problem | undefined {
  for (const payload of payloads) {
    try {
      payloadConverter.fromPayload(payload);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const text = `it cannot be read: ${reason}`.slice(0, MAX_PROBLEM_TEXT).replace(/\.$/, '');
      return { text, isLocal: error instanceof UnreadablePayload && error.isLocal };
    }
  }
  return undefined;
}
