/** Settings of a session. They apply from its next call on; what is left empty is as mode and team say. */
import { useEffect, useState } from 'preact/hooks';
import type { SessionReport } from '../../client.ts';
import { configure } from '../api/api.ts';
import { useAction } from '../state/use-action.ts';
import { ModeSelect } from '../sessions/mode-select.tsx';
import { isClosed } from '../state/use-session.ts';
import { Problem } from '../text/states.tsx';
import { ApprovalFields } from './approval-fields.tsx';
import { type Draft, draftOf, settingsOf } from './settings-draft.ts';

interface SettingsPanelProps {
  readonly report: SessionReport;
  readonly mayWrite: boolean;
  readonly onChanged: () => void;
}

export function SettingsPanel({ report, mayWrite, onChanged }: SettingsPanelProps) {
  const [draft, setDraft] = useState<Draft>();
  const [isSaved, setSaved] = useState(false);
  const { run, isRunning, error } = useAction(() => {
    setSaved(true);
    onChanged();
  });
  const now = draftOf(report);
  const shown = draft ?? now;
  const changes = settingsOf(shown, now);
  const isChanged = Object.keys(changes).length > 0;
  // What was saved stays until the session shows it.
  useEffect(() => {
    if (!isChanged) setDraft(undefined);
  }, [isChanged]);
  const change = (fields: Partial<Draft>): void => {
    setSaved(false);
    setDraft({ ...shown, ...fields });
  };
  return (
    <form
      class="settings"
      onSubmit={(event) => {
        event.preventDefault();
        run(() => configure(report.id, changes));
      }}
    >
      <fieldset class="bare" disabled={!mayWrite || isClosed(report) || isRunning}>
        <ModelFields draft={shown} onChange={change} />
        <ApprovalFields approvals={shown.approvals} onChange={(approvals) => change({ approvals })} />
        <BudgetFields draft={shown} onChange={change} />
        <Problem error={error} />
        <div class="buttons">
          <button class="primary" disabled={!isChanged}>
            {isRunning ? 'Saving…' : 'Save'}
          </button>
          {isChanged ? (
            <button type="button" onClick={() => setDraft(undefined)}>
              Discard
            </button>
          ) : null}
          <span role="status" class="hint">
            {isSaved && !isChanged ? 'Saved. It counts from the next call on.' : ''}
          </span>
        </div>
      </fieldset>
    </form>
  );
}

interface DraftFieldsProps {
  readonly draft: Draft;
  readonly onChange: (changes: Partial<Draft>) => void;
}

function ModelFields({ draft: { mode, model, agent }, onChange }: DraftFieldsProps) {
  return (
    <>
      <ModeSelect mode={mode} onChange={(chosen) => onChange({ mode: chosen })} />
      <label>
        Model of all agents
        <input
          value={model}
          placeholder="as the team says"
          onInput={({ currentTarget }) => onChange({ model: currentTarget.value })}
        />
      </label>
      <label>
        Agent that answers
        <input
          value={agent}
          placeholder="as the team says"
          onInput={({ currentTarget }) => onChange({ agent: currentTarget.value })}
        />
      </label>
    </>
  );
}

const BUDGETS = [
  ['tokens', 'Tokens', '1'],
  ['cost', 'US dollars', 'any'],
  ['toolCalls', 'Calls of tools', '1'],
  ['minutes', 'Minutes of work', 'any'],
] as const;

function BudgetFields({ draft, onChange }: DraftFieldsProps) {
  return (
    <>
      <fieldset>
        <legend>A turn pauses and asks after</legend>
        {BUDGETS.map(([name, words, step]) => (
          <label key={name} class="in-line">
            <span>{words}</span>
            <input
              type="number"
              min="0"
              step={step}
              placeholder="no limit"
              value={draft.budget[name]}
              onInput={({ currentTarget }) => onChange({ budget: { ...draft.budget, [name]: currentTarget.value } })}
            />
          </label>
        ))}
      </fieldset>
      <label class="in-line">
        <span>Expires after idle hours; empty: never</span>
        <input
          type="number"
          min="0"
          step="any"
          value={draft.idleHours}
          onInput={({ currentTarget }) => onChange({ idleHours: currentTarget.value })}
        />
      </label>
    </>
  );
}
