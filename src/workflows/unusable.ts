/**
 * Signals and starts of which the SDK cannot make arguments, or that it refuses by their name. It would fail the whole
 * task for them, again and again, since they stay in the history. They are made harmless before it sees them.
 */
import { defaultPayloadConverter, type Payload } from '@temporalio/common';
import { defineSignal, patched, type WorkflowInterceptors, workflowInfo } from '@temporalio/workflow';

type Activation = Parameters<
  NonNullable<NonNullable<WorkflowInterceptors['internals']>[number]['activate']>
>[0]['activation'];
type Job = NonNullable<Activation['jobs']>[number];
type Signal = NonNullable<Job['signalWorkflow']>;
type Start = NonNullable<Job['initializeWorkflow']>;

/** Stands in for a signal that cannot be handed on, with what it was called and what is wrong with it. */
export const unusableSignal = defineSignal<[name: string, problem: string]>('unusable signal');

/** The SDK takes no signals of others with this prefix. */
const RESERVED = '__temporal_';
const NO_SUCH_SIGNAL = 'there is no such signal';
const MAX_PROBLEM_TEXT = 300;

/** For the bundle. */
export const interceptors = (): WorkflowInterceptors => ({
  internals: [
    {
      activate: (input, next) => {
        for (const { signalWorkflow, initializeWorkflow } of input.activation.jobs ?? []) {
          if (signalWorkflow) replaceUnusable(signalWorkflow);
          if (initializeWorkflow) dropUnusable(initializeWorkflow);
        }
        next(input);
      },
    },
  ],
});

function replaceUnusable(signal: Signal): void {
  const { signalName = '' } = signal;
  const problem = signalProblem(signal);
  if (problem === undefined) return;
  signal.signalName = unusableSignal.name;
  signal.input = [signalName ?? '', problem].map((text) => defaultPayloadConverter.toPayload(text));
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
      defaultPayloadConverter.fromPayload(payload);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      // In place of an encoding, which is one word, a worker that cannot read a payload says why.
      const said = /^Unknown encoding: (.* .*)$/s.exec(reason)?.[1];
      const text = `it cannot be read: ${said ?? reason}`.slice(0, MAX_PROBLEM_TEXT).replace(/\.$/, '');
      return { text, isLocal: said !== undefined };
    }
  }
  return undefined;
}
