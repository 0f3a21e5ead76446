/** A form that a tool asks a person to fill while its call runs, or a page that it sends them to. */
import { useState } from 'preact/hooks';
import type { Decision } from '../../client.ts';
import type { FormField, RequestedForm } from '../../contracts/form.ts';
import type { Json, JsonObject } from '../../contracts/json.ts';
import { Code, Exact } from '../text/visible.tsx';
import { DECISION_WORDS } from '../text/words.ts';

/** What a text looks like. The session checks it. */
const EXAMPLES = {
  email: 'ada@example.org',
  uri: 'https://example.org',
  date: '2026-11-26',
  'date-time': '2026-11-26T18:30:00Z',
} as const;

export interface FormDecisionProps {
  readonly form: RequestedForm;
  readonly isRunning: boolean;
  readonly onTake: (decision: Decision, values?: JsonObject) => void;
}

export function FormDecision({ form, isRunning, onTake }: FormDecisionProps) {
  const { from, fields, url } = form;
  const [values, setValues] = useState<JsonObject>(() => defaultsOf(fields));
  const set = (name: string, value: Json | undefined): void =>
    setValues(({ [name]: _, ...others }) => (value === undefined ? others : { ...others, [name]: value }));
  return (
    <form
      class="chosen"
      onSubmit={(event) => {
        event.preventDefault();
        onTake('accept', url === undefined ? values : undefined);
      }}
    >
      <p class="hint">
        Asked by <Exact text={from} />
      </p>
      {url === undefined ? null : (
        <>
          <Code text={url} label="Address" />
          <a class="button" href={url} target="_blank" rel="noopener noreferrer">
            Open this address
          </a>
        </>
      )}
      {fields.map((field) => (
        <label key={field.name} class={field.type === 'yes-no' ? 'check' : ''}>
          {field.type === 'yes-no' ? <Input field={field} value={values[field.name]} onValue={set} /> : null}
          <span>
            <Exact text={field.title ?? field.name} />
            {field.required ? ' (required)' : ''}
            {field.description === undefined ? null : (
              <span class="hint">
                {' '}
                <Exact text={field.description} />
              </span>
            )}
          </span>
          {field.type === 'yes-no' ? null : <Input field={field} value={values[field.name]} onValue={set} />}
        </label>
      ))}
      <div class="buttons">
        <button class="primary" disabled={isRunning}>
          {DECISION_WORDS.accept}
        </button>
        {(['decline', 'cancel'] as const).map((decision) => (
          <button key={decision} type="button" class="danger" disabled={isRunning} onClick={() => onTake(decision)}>
            {DECISION_WORDS[decision]}
          </button>
        ))}
      </div>
    </form>
  );
}

function defaultsOf(fields: readonly FormField[]): JsonObject {
  return Object.fromEntries(
    fields.flatMap((field) => (field.default === undefined ? [] : [[field.name, field.default]])),
  );
}

interface InputProps {
  readonly field: FormField;
  readonly value: Json | undefined;
  readonly onValue: (name: string, value: Json | undefined) => void;
}

function Input({ field, value, onValue }: InputProps) {
  const { name, required } = field;
  const shown = typeof value === 'string' || typeof value === 'number' ? String(value) : '';
  switch (field.type) {
    case 'text':
      return (
        <input
          placeholder={field.format === undefined ? '' : EXAMPLES[field.format]}
          required={required}
          minLength={field.minLength}
          maxLength={field.maxLength}
          value={shown}
          onInput={({ currentTarget }) => onValue(name, currentTarget.value === '' ? undefined : currentTarget.value)}
        />
      );
    case 'number':
      return (
        <input
          type="number"
          required={required}
          step={field.isInteger ? 1 : 'any'}
          min={field.minimum}
          max={field.maximum}
          value={shown}
          onInput={({ currentTarget: { value: text } }) => onValue(name, text === '' ? undefined : Number(text))}
        />
      );
    case 'yes-no':
      return (
        <input
          type="checkbox"
          checked={value === true}
          onChange={({ currentTarget }) => onValue(name, currentTarget.checked)}
        />
      );
    case 'choice':
    case 'choices':
      return <Choice field={field} value={value} onValue={onValue} />;
  }
}

function Choice({ field, value, onValue }: InputProps & { readonly field: Extract<FormField, { options: unknown }> }) {
  const isMany = field.type === 'choices';
  const chosen = Array.isArray(value) ? value : value === undefined ? [] : [value];
  return (
    <select
      multiple={isMany}
      required={field.required}
      onChange={({ currentTarget }) => {
        const picked = [...currentTarget.selectedOptions].map((option) => option.value);
        const [first] = picked;
        onValue(field.name, isMany ? picked : first === '' ? undefined : first);
      }}
    >
      {isMany ? null : <option value="">Choose…</option>}
      {field.options.map((option) => (
        <option key={option.value} value={option.value} selected={chosen.includes(option.value)}>
          {option.title ?? option.value}
        </option>
      ))}
    </select>
  );
}
