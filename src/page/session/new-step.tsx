/** Adds a step at the end of a plan that has not ended. */
import { useId, useState } from 'preact/hooks';
import type { PlanEdit, Step } from '../../client.ts';
import { useFocus } from '../state/use-focus.ts';

export interface NewStepProps {
  readonly steps: readonly Pick<Step, 'agent'>[];
  readonly edit: (edit: PlanEdit) => void;
}

export function NewStep({ steps, edit }: NewStepProps) {
  const [isOpen, setIsOpen] = useState(false);
  if (isOpen) return <StepForm steps={steps} edit={edit} onClose={() => setIsOpen(false)} />;
  return (
    <button class="plain" onClick={() => setIsOpen(true)}>
      Add a step
    </button>
  );
}

function StepForm({ steps, edit, onClose }: NewStepProps & { readonly onClose: () => void }) {
  const [task, setTask] = useState('');
  const [agent, setAgent] = useState(steps.at(-1)?.agent ?? '');
  const field = useFocus<HTMLTextAreaElement>();
  const agents = useId();
  return (
    <form
      class="step-form"
      onSubmit={(event) => {
        event.preventDefault();
        edit({ op: 'add', at: steps.length + 1, agent: agent.trim(), task });
        onClose();
      }}
    >
      <textarea
        ref={field}
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
      <button type="button" onClick={onClose}>
        Cancel
      </button>
    </form>
  );
}
