/** A plan at a glance: how far it is, what each step did, and what can still be changed. */
import { memo } from 'preact/compat';
import type { PlanEdit } from '../../client.ts';
import { editPlan } from '../api/api.ts';
import type { StepShown, TurnShown } from '../state/session-fold.ts';
import { useAction } from '../state/use-action.ts';
import { Markdown } from '../text/markdown.tsx';
import { Problem } from '../text/states.tsx';
import { count } from '../text/words.ts';
import { Call, showsSomething } from './call.tsx';
import { NewStep } from './new-step.tsx';
import { StepText } from './step-text.tsx';

const MARKS: Readonly<Record<StepShown['status'], string>> = {
  pending: '',
  'in-progress': '',
  completed: '✓',
  failed: '✗',
  skipped: '⤼',
};

export interface PlanProps {
  readonly turn: TurnShown;
  readonly sessionId: string;
  readonly mayEdit: boolean;
  readonly onChanged: () => void;
}

export function Plan({ turn, sessionId, mayEdit, onChanged }: PlanProps) {
  const { steps } = turn;
  const done = steps.filter(({ status }) => status === 'completed' || status === 'skipped').length;
  const action = useAction(onChanged);
  const edit = (one: PlanEdit): void => action.run(() => editPlan(sessionId, [one]));
  return (
    <section class="plan" aria-label={`Plan, ${done} of ${steps.length} steps done`}>
      <header>
        <h3>Plan</h3>
        <div class="progress" aria-hidden="true">
          {steps.map(({ number, status }) => (
            <span key={number} class={status} />
          ))}
        </div>
        <span class="progress-words">
          {done} of {steps.length}
        </span>
      </header>
      <ol>
        {steps.map((step) => (
          <StepItem key={step.number} step={step} turn={turn} edit={mayEdit ? edit : undefined} />
        ))}
      </ol>
      {mayEdit ? <NewStep steps={steps} edit={edit} /> : null}
      <Problem error={action.error} />
    </section>
  );
}

interface StepItemProps {
  readonly step: StepShown;
  readonly turn: TurnShown;
  readonly edit: ((edit: PlanEdit) => void) | undefined;
}

const StepItem = memo(function StepItem({ step, turn, edit }: StepItemProps) {
  const { number, agent, task, status, summary, attempt } = step;
  return (
    <li class={`step ${status}`} aria-current={status === 'in-progress' ? 'step' : undefined}>
      <span class="step-mark" role="img" aria-label={status}>
        {MARKS[status] || number}
      </span>
      <div class="step-body">
        <StepText {...{ number, agent, task }} edit={status === 'pending' ? edit : undefined} attempt={attempt} />
        {summary === '' ? null : (
          <div class="step-report">
            <Markdown text={summary} />
          </div>
        )}
        <StepCalls step={step} turn={turn} />
      </div>
    </li>
  );
});

function StepCalls({ step: { number, status }, turn }: Pick<StepItemProps, 'step' | 'turn'>) {
  const calls = turn.items.flatMap((item) => {
    const call = item.type === 'call' ? turn.calls[item.id] : undefined;
    return call?.step === number && showsSomething(call) ? [call] : [];
  });
  const shown = calls.map((call) => <Call key={call.id} call={call} />);
  if (calls.length === 0) return null;
  if (status === 'in-progress') return <div class="step-calls">{shown}</div>;
  return (
    <details class="step-calls">
      <summary>{count(calls.length, 'call')}</summary>
      {shown}
    </details>
  );
}
