/** Begins a session with its first message. */
import { useMemo, useState } from 'preact/hooks';
import { createSession } from '../api/api.ts';
import { goTo, LIST_ADDRESS, sessionAddress } from '../state/place.ts';
import { useAction } from '../state/use-action.ts';
import { useFocus } from '../state/use-focus.ts';
import { Problem } from '../text/states.tsx';

const MODES = [
  ['copilot', 'answers, or plans if the task needs it'],
  ['planning-control', 'plans, and waits for your approval'],
  ['hitl-interactive', 'asks before each step'],
  ['one-shot', 'one answer, no plan'],
] as const;

interface Settings {
  readonly mode: string;
  readonly name: string;
  readonly team: string;
  readonly approvesPlan: boolean;
}

export function NewSessionForm() {
  const [message, setMessage] = useState('');
  const [settings, setSettings] = useState<Settings>({ mode: 'copilot', name: '', team: '', approvesPlan: false });
  const { run, isRunning, error } = useAction();
  const field = useFocus<HTMLTextAreaElement>();
  // The same id for another try: a message that did arrive is not sent twice.
  const messageId = useMemo(() => crypto.randomUUID(), []);
  const begin = (): void =>
    run(async () => {
      const { mode, name, team, approvesPlan } = settings;
      const { id } = await createSession({
        mode,
        ...(name.trim() === '' ? {} : { name: name.trim() }),
        ...(team.trim() === '' ? {} : { team: team.trim() }),
        ...(message.trim() === '' ? {} : { message, messageId }),
        ...(approvesPlan ? { config: { approvals: { plan: true } } } : {}),
      });
      goTo(sessionAddress(id));
    });
  return (
    <form
      class="new-session"
      onSubmit={(event) => {
        event.preventDefault();
        begin();
      }}
    >
      <a class="back" href={LIST_ADDRESS}>
        ‹ Sessions
      </a>
      <h2>New session</h2>
      <label for="message">What is to be done?</label>
      <textarea
        id="message"
        rows={6}
        ref={field}
        value={message}
        onInput={(event) => setMessage(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) begin();
        }}
      />
      <SettingsFields settings={settings} onChange={(changes) => setSettings({ ...settings, ...changes })} />
      <button class="primary" disabled={isRunning}>
        {isRunning ? 'Beginning…' : 'Begin'}
      </button>
      <Problem error={error} />
    </form>
  );
}

interface SettingsFieldsProps {
  readonly settings: Settings;
  readonly onChange: (changes: Partial<Settings>) => void;
}

function SettingsFields({ settings: { mode, name, team, approvesPlan }, onChange }: SettingsFieldsProps) {
  return (
    <div class="fields">
      <label>
        Mode
        <select value={mode} onChange={(event) => onChange({ mode: event.currentTarget.value })}>
          {MODES.map(([value, words]) => (
            <option key={value} value={value}>
              {value}: {words}
            </option>
          ))}
        </select>
      </label>
      <label>
        Name
        <input
          value={name}
          placeholder="the first words of the message"
          onInput={(event) => onChange({ name: event.currentTarget.value })}
        />
      </label>
      <label>
        Team
        <input value={team} placeholder="default" onInput={(event) => onChange({ team: event.currentTarget.value })} />
      </label>
      <label class="check">
        <input
          type="checkbox"
          checked={approvesPlan}
          onChange={(event) => onChange({ approvesPlan: event.currentTarget.checked })}
        />
        Show me each plan before it runs
      </label>
    </div>
  );
}
