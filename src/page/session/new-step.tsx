/** Adds a step at the end of a plan that has not ended. */
import { useId, useState } from 'preact/hooks';
import type { PlanEdit, Step } from '../../client.ts';

export interface NewStepProps {
  readonly steps: readonly Pick<Step, 'agent'>[];
  readonly edit: (edit: PlanEdit) => void;
}

export function NewStep({ steps, edit }: NewStepProps) {
  const [task, setTask] = useState<string>();
  const [agent, setAgent] = useState('');
  const agents = useId();
  if (task === undefined) {
    const open = (): void => {
      setTask('');
      setAgent(steps.at(-1)?.agent ?? '');
    };
    return (
      <button class="plain" onClick={open}>
        Add a step
      </button>
    );
  }
  return (
    <form
      class="step-form"
      onSubmit={(event) => {
        event.preventDefault();
        edit({ op: 'add', at: steps.length + 1, agent: agent.trim(), task });
        setTask(undefined);
      }}
    >
      <textarea
        aria-label="Task of the new step"
        rows={3}
        value={task}
        onInput={(event) => setTask(event.currentTarget.value)}
      />
      <input
        aria-label="Agent of the new step"
        list={agents}
        value={agent}
        onInput={(event) => setAgent(event.currentTarget.value)}
      />
      <datalist id={agents}>
        {[...new Set(steps.map((step) => step.agent))].map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
      <button class="primary" disabled={task.trim() === '' || agent.trim() === ''}>
        Add
      </button>
      <button type="button" onClick={() => setTask(undefined)}>
        Cancel
      </button>
    </form>
  );
}
