/** Task and agent of a step, and how they are changed while it has not run. */
import { useState } from 'preact/hooks';
import type { PlanEdit, Step } from '../../client.ts';
import { useFocus } from '../state/use-focus.ts';
import { Exact } from '../text/visible.tsx';

export interface StepTextProps extends Pick<Step, 'number' | 'agent' | 'task'> {
  readonly attempt?: number;
  /** Changes the plan, if that is still possible. */
  readonly edit: ((edit: PlanEdit) => void) | undefined;
}

export function StepText({ number, agent, task, attempt = 1, edit }: StepTextProps) {
  const [draft, setDraft] = useState<string>();
  if (draft !== undefined && edit !== undefined) {
    const save = (): void => {
      edit({ op: 'change', step: number, task: draft });
      setDraft(undefined);
    };
    return <TaskForm draft={draft} onDraft={setDraft} onSave={save} />;
  }
  return (
    <>
      <p class="step-task">
        <Exact text={task} />
      </p>
      <p class="step-facts">
        <span>
          <Exact text={agent} />
        </span>
        {attempt > 1 ? <span>attempt {attempt}</span> : null}
        {edit ? (
          <>
            <button class="plain" aria-label={`Change step ${number}`} onClick={() => setDraft(task)}>
              Change
            </button>
            <button
              class="plain"
              aria-label={`Remove step ${number}`}
              onClick={() => edit({ op: 'remove', step: number })}
            >
              Remove
            </button>
          </>
        ) : null}
      </p>
    </>
  );
}

interface TaskFormProps {
  readonly draft: string;
  readonly onDraft: (draft: string | undefined) => void;
  readonly onSave: () => void;
}

function TaskForm({ draft, onDraft, onSave }: TaskFormProps) {
  const field = useFocus<HTMLTextAreaElement>();
  return (
    <form
      class="step-form"
      onSubmit={(event) => {
        event.preventDefault();
        onSave();
      }}
    >
      <textarea
        ref={field}
        aria-label="Task of the step"
        rows={3}
        value={draft}
        onInput={(event) => onDraft(event.currentTarget.value)}
      />
      <button class="primary" disabled={draft.trim() === ''}>
        Save
      </button>
      <button type="button" onClick={() => onDraft(undefined)}>
        Cancel
      </button>
    </form>
  );
}
