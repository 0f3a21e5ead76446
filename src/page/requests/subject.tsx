/** What a request is about, whole: the call with its arguments, the steps, or what is unknown of a call. */
import type { PendingRequest, PlanEdit, RequestedCall, RequestedStep } from '../../client.ts';
import { NewStep } from '../session/new-step.tsx';
import { StepText } from '../session/step-text.tsx';
import { readObject } from '../text/json.ts';
import { Code, Exact } from '../text/visible.tsx';
import { localTime } from '../text/words.ts';

export interface SubjectProps {
  readonly request: PendingRequest;
  /** Changes the plan, if the caller may. */
  readonly edit: ((edit: PlanEdit) => void) | undefined;
}

export function Subject({ request: { tool, steps, unknown, kind }, edit }: SubjectProps) {
  return (
    <div class="subject">
      {tool ? <ToolSubject call={tool} isNamed={kind === 'tool'} /> : null}
      {steps?.map((step) => (
        <StepSubject key={step.number} step={step} showsSummary={kind === 'after-step'} edit={edit} />
      ))}
      {steps && edit ? <NewStep steps={steps} edit={edit} /> : null}
      {unknown ? (
        <dl class="arguments">
          <dt>What happened</dt>
          <dd>
            <Exact text={unknown.problem} />
          </dd>
          <dt>Begun</dt>
          <dd>
            {localTime(unknown.startedAt)}, attempt {unknown.attempt}
          </dd>
          <dt>Idempotency key</dt>
          <dd>
            <Code text={unknown.key} label="Idempotency key" />
          </dd>
        </dl>
      ) : null}
    </div>
  );
}

interface ToolSubjectProps {
  readonly call: RequestedCall;
  /** Whether the title names the tool already. */
  readonly isNamed: boolean;
}

function ToolSubject({ call: { name, category, arguments: text }, isNamed }: ToolSubjectProps) {
  return (
    <>
      {isNamed && category === name ? null : (
        <p class="tool-name">
          <code>
            <Exact text={name} />
          </code>
          {category === name ? null : <span class="category">{category}</span>}
        </p>
      )}
      <Arguments text={text} />
    </>
  );
}

/** Each argument by its name. Text that is no JSON object is shown as the model wrote it. */
function Arguments({ text }: { readonly text: string }) {
  const given = readObject(text);
  if (given === undefined) return <Code text={text} label="Arguments" />;
  const entries = Object.entries(given);
  if (entries.length === 0) return <p class="hint">No arguments.</p>;
  return (
    <dl class="arguments">
      {entries.map(([name, value]) => (
        <>
          <dt>
            <Exact text={name} />
          </dt>
          <dd>
            <Code text={typeof value === 'string' ? value : JSON.stringify(value, undefined, 2)} label={name} />
          </dd>
        </>
      ))}
    </dl>
  );
}

interface StepSubjectProps extends Pick<SubjectProps, 'edit'> {
  readonly step: RequestedStep;
  readonly showsSummary: boolean;
}

function StepSubject({ step, showsSummary, edit }: StepSubjectProps) {
  const { number, agent, task, notes, summary } = step;
  return (
    <div class="step-subject">
      <span class="step-mark" aria-label={`Step ${number}`} role="img">
        {number}
      </span>
      <div>
        <StepText {...{ number, agent, task }} edit={edit} />
        {notes.trim() === '' ? null : (
          <p class="step-notes">
            <Exact text={notes} />
          </p>
        )}
        {showsSummary && summary !== '' ? (
          <p class="step-summary">
            <Exact text={summary} />
          </p>
        ) : null}
      </div>
    </div>
  );
}
