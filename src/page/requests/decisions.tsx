/** The decisions of a request, each with what it needs. All of them name the digest of what is shown. */
import { useState } from 'preact/hooks';
import type { Decision, PendingRequest } from '../../client.ts';
import type { RequestedForm } from '../../contracts/form.ts';
import type { JsonObject } from '../../contracts/json.ts';
import { visibleJson } from '../../contracts/visible-text.ts';
import { decide } from '../api/api.ts';
import { useAction } from '../state/use-action.ts';
import { useFocus } from '../state/use-focus.ts';
import { readJson, readObject } from '../text/json.ts';
import { Problem } from '../text/states.tsx';
import { DECISION_WORDS } from '../text/words.ts';
import { Coverage } from './coverage.tsx';
import { EditedArguments } from './edited-arguments.tsx';
import { FormDecision } from './form-decision.tsx';

/** Those that come with words of the person, and what the words are. */
const TEXTS: Partial<Readonly<Record<Decision, string>>> = {
  modify: 'What should change?',
  redo: 'What should be different this time?',
  deny: 'Why not? The agent is told. (optional)',
  reject: 'Why not? (optional)',
  done: 'What was its result? (optional)',
  answer: 'Your answer',
};
const NEEDS_TEXT: readonly Decision[] = ['modify', 'redo', 'answer'];
const REFUSING: readonly Decision[] = ['reject', 'deny', 'stop', 'skip', 'not-done'];

export interface DecisionsProps {
  readonly sessionId: string;
  readonly request: PendingRequest;
  readonly onDecided: () => void;
}

type Extra = Partial<Record<'text' | 'rule', string>> & {
  arguments?: JsonObject;
  values?: JsonObject;
  limit?: number;
};

export function Decisions(props: DecisionsProps) {
  return props.request.form ? <FormDecisions {...props} form={props.request.form} /> : <ButtonDecisions {...props} />;
}

const DECIDE_AGAIN = 'Perhaps your decision has arrived. Decide again: only the first one counts.';

function FormDecisions({ sessionId, request, form, onDecided }: DecisionsProps & { readonly form: RequestedForm }) {
  const { id: requestId, digest } = request;
  const { run, isRunning, error } = useAction(onDecided, DECIDE_AGAIN);
  return (
    <div class="decisions">
      <FormDecision
        form={form}
        isRunning={isRunning}
        onTake={(decision, values) =>
          run(() => decide(sessionId, { requestId, decision, digest, ...(values ? { values } : {}) }))
        }
      />
      <Problem error={error} />
    </div>
  );
}

function ButtonDecisions({ sessionId, request, onDecided }: DecisionsProps) {
  const { id, kind, options, digest, tool } = request;
  const [chosen, setChosen] = useState<Decision | undefined>(kind === 'input' ? 'answer' : undefined);
  const [edited, setEdited] = useState<string>();
  const { run, isRunning, error } = useAction(onDecided, DECIDE_AGAIN);
  const take = (decision: Decision, extra: Extra = {}): void =>
    run(() => decide(sessionId, { requestId: id, decision, digest, ...extra }));
  const changed = edited === undefined ? undefined : readObject(edited);
  const canTake = (decision: Decision): boolean =>
    !isRunning && (edited === undefined || decision !== 'once' || changed !== undefined);
  const press = (decision: Decision): void => {
    if (TEXTS[decision] !== undefined || decision === 'raise' || (decision === 'session' && tool)) setChosen(decision);
    else take(decision, decision === 'once' && changed ? { arguments: changed } : {});
  };
  return (
    <div class="decisions">
      {edited === undefined || tool === null ? null : (
        <EditedArguments text={edited} isValid={changed !== undefined} onText={setEdited} />
      )}
      <Problem error={error} />
      {chosen === undefined ? (
        <div class="buttons">
          {options.map((decision) => (
            <button
              key={decision}
              class={decision === options[0] ? 'primary' : REFUSING.includes(decision) ? 'danger' : ''}
              disabled={!canTake(decision)}
              onClick={() => press(decision)}
            >
              {decision === 'once' && edited !== undefined ? 'Allow once, as changed' : DECISION_WORDS[decision]}
            </button>
          ))}
          {tool && kind === 'tool' && options.includes('once') ? (
            <button onClick={() => setEdited(edited === undefined ? pretty(tool.arguments) : undefined)}>
              {edited === undefined ? 'Change the arguments' : 'Leave them as they were'}
            </button>
          ) : null}
        </div>
      ) : (
        <ChosenForm
          decision={chosen}
          request={request}
          isRunning={isRunning}
          onTake={(extra) => take(chosen, extra)}
          onBack={kind === 'input' ? undefined : () => setChosen(undefined)}
        />
      )}
    </div>
  );
}

interface ChosenFormProps {
  readonly decision: Decision;
  readonly request: PendingRequest;
  readonly isRunning: boolean;
  readonly onTake: (extra: Extra) => void;
  readonly onBack: (() => void) | undefined;
}

function ChosenForm({ decision, request, isRunning, onTake, onBack }: ChosenFormProps) {
  const [text, setText] = useState('');
  const [rule, setRule] = useState(request.tool?.covers.rule);
  const hint = TEXTS[decision];
  const field = useFocus<HTMLTextAreaElement>();
  const isMissing = NEEDS_TEXT.includes(decision) && text.trim() === '';
  const submit = (): void => {
    if (decision === 'raise') return onTake(text.trim() === '' ? {} : { limit: Number(text) });
    if (decision === 'session') return onTake(rule === undefined ? {} : { rule });
    onTake(text.trim() === '' ? {} : { text });
  };
  return (
    <form
      class="chosen"
      onSubmit={(event) => {
        event.preventDefault();
        if (!isMissing) submit();
      }}
    >
      {hint === undefined ? null : (
        <label>
          {hint}
          <textarea rows={3} ref={field} value={text} onInput={(event) => setText(event.currentTarget.value)} />
        </label>
      )}
      {decision === 'raise' ? (
        <label>
          New limit; empty: twice the old one
          <input
            inputMode="decimal"
            pattern="[0-9]+([.][0-9]+)?"
            value={text}
            onInput={(event) => setText(event.currentTarget.value)}
          />
        </label>
      ) : null}
      {decision === 'session' && request.tool ? (
        <Coverage covers={request.tool.covers} rule={rule} onRule={setRule} />
      ) : null}
      <div class="buttons">
        <button class={REFUSING.includes(decision) ? 'danger' : 'primary'} disabled={isRunning || isMissing}>
          {DECISION_WORDS[decision]}
        </button>
        {onBack ? (
          <button type="button" onClick={onBack}>
            Back
          </button>
        ) : null}
      </div>
    </form>
  );
}

/** The same JSON in lines, with escapes for what cannot be seen: what stands there is what will run. */
function pretty(text: string): string {
  const value = readJson(text);
  return visibleJson(value === undefined ? text : JSON.stringify(value, undefined, 2));
}
