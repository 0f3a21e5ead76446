/** Begins a session with its first message. */
import { useMemo, useRef, useState } from 'preact/hooks';
import { ulid } from 'ulid';
import { createSession, type NewMessage, type NewSession, sendMessage } from '../api/api.ts';
import { AttachedFiles, ChooseFiles } from '../files/attached-files.tsx';
import { takePasted, useDrop } from '../files/incoming-files.ts';
import { uploadFile } from '../files/use-attachments.ts';
import { goTo, LIST_ADDRESS, sessionAddress } from '../state/place.ts';
import { useAction } from '../state/use-action.ts';
import { useFocus } from '../state/use-focus.ts';
import { Problem } from '../text/states.tsx';
import { ModeSelect } from './mode-select.tsx';

/** The offline model understands it, too. */
const EXAMPLE = 'Such as: write "hello" to hello.txt, then write a short report to report.md';

const BEGIN_AGAIN = 'Perhaps the session has begun. Begin again: without a change it is the same session.';

interface Chosen {
  readonly key: string;
  readonly file: File;
}

interface Settings {
  readonly mode: string;
  readonly name: string;
  readonly team: string;
  readonly approvesPlan: boolean;
}

function optionsOf({ mode, name, team, approvesPlan }: Settings): NewSession {
  return {
    mode,
    ...(name.trim() === '' ? {} : { name: name.trim() }),
    ...(team.trim() === '' ? {} : { team: team.trim() }),
    ...(approvesPlan ? { config: { approvals: { plan: true } } } : {}),
  };
}

/**
 * Files need the session's workspace, so with files the message comes after the session.
 * @returns its id
 */
async function beginSession(
  { id: known, options }: { readonly id: string | undefined; readonly options: NewSession },
  message: Omit<NewMessage, 'files'> | undefined,
  chosen: readonly Chosen[],
  onCreated: (id: string) => void,
): Promise<string> {
  const isPlain = chosen.length === 0 && known === undefined;
  const first = isPlain && message ? { message: message.text, messageId: message.messageId } : {};
  const id = known ?? (await createSession({ ...options, ...first })).id;
  onCreated(id);
  if (isPlain) return id;
  const files: string[] = [];
  for (const { file } of chosen) files.push(await uploadFile(id, file, new AbortController().signal));
  if (message) await sendMessage(id, { ...message, files });
  return id;
}

interface ChosenFilesProps {
  readonly files: readonly Chosen[];
  readonly onFiles: (files: Iterable<File>) => void;
  readonly onRemove: (key: string) => void;
}

function ChosenFiles({ files, onFiles, onRemove }: ChosenFilesProps) {
  const shown = files.map(({ key, file: { name, size: bytes } }) => ({
    key,
    name,
    bytes,
    path: undefined,
    error: undefined,
  }));
  return (
    <>
      <AttachedFiles isDeferred files={shown} onRemove={onRemove} />
      <div class="buttons">
        <ChooseFiles label="Attach files" onFiles={onFiles} />
      </div>
    </>
  );
}

export function NewSessionForm() {
  const [message, setMessage] = useState('');
  const [settings, setSettings] = useState<Settings>({ mode: 'copilot', name: '', team: '', approvesPlan: false });
  const { run, isRunning, error } = useAction(undefined, BEGIN_AGAIN);
  const field = useFocus<HTMLTextAreaElement>();
  // The same id for another try: a message that did arrive is not sent twice.
  const messageId = useMemo(() => crypto.randomUUID(), []);
  const id = useMemo(() => `ses_${ulid()}`, [message, settings]);
  const [files, setFiles] = useState<readonly Chosen[]>([]);
  const created = useRef<string>(undefined);
  const add = (more: Iterable<File>): void =>
    setFiles((before) => [...before, ...[...more].map((file) => ({ file, key: crypto.randomUUID() }))]);
  const drop = useDrop(add);
  const begin = (): void =>
    run(async () => {
      const first = message.trim() === '' ? undefined : { text: message, messageId };
      // Another try goes on with the session that is there.
      const session = { id: created.current, options: { ...optionsOf(settings), id, ifExists: 'use' as const } };
      await beginSession(session, first, files, (id) => (created.current = id)).then((id) => goTo(sessionAddress(id)));
    });
  return (
    <form
      class={drop.isOver ? 'new-session dropping' : 'new-session'}
      {...drop.handlers}
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
        placeholder={EXAMPLE}
        onInput={(event) => setMessage(event.currentTarget.value)}
        onPaste={(event) => takePasted(event, add)}
        onKeyDown={(event) => {
          if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) begin();
        }}
      />
      <ChosenFiles files={files} onFiles={add} onRemove={(key) => setFiles(files.filter((one) => one.key !== key))} />
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
      <ModeSelect mode={mode} onChange={(chosen) => onChange({ mode: chosen })} />
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
