/** Files that go with a message which is being written, and how they are chosen. */
import { useRef } from 'preact/hooks';
import { Visible } from '../text/visible.tsx';
import { size } from '../text/words.ts';
import type { Attachment } from './use-attachments.ts';

interface AttachedFilesProps {
  readonly files: readonly Attachment[];
  readonly onRemove: (key: string) => void;
  /** Whether they wait for the session that is begun. */
  readonly isDeferred?: boolean;
}

export function AttachedFiles({ files, onRemove, isDeferred = false }: AttachedFilesProps) {
  if (files.length === 0) return null;
  return (
    <ul class="attached" aria-label="Files of this message">
      {files.map(({ key, name, bytes, path, error }) => (
        <li key={key} class={error ? 'bad' : ''}>
          <span class="attached-name">
            <Visible text={path ?? name} />
          </span>
          <span class="hint" role="status">
            {error ? error.message : path === undefined && !isDeferred ? 'sending…' : size(bytes)}
          </span>
          <button type="button" class="plain" aria-label={`Remove ${name}`} onClick={() => onRemove(key)}>
            ✕
          </button>
        </li>
      ))}
    </ul>
  );
}

interface ChooseFilesProps {
  readonly onFiles: (files: Iterable<File>) => void;
  readonly label: string;
  /** Whether there is room for the mark only. */
  readonly isShort?: boolean;
}

export function ChooseFiles({ onFiles, label, isShort = false }: ChooseFilesProps) {
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      <button
        type="button"
        class={isShort ? 'icon' : ''}
        aria-label={isShort ? label : undefined}
        title={`${label}. Files can be dropped or pasted, too.`}
        onClick={() => input.current?.click()}
      >
        <span aria-hidden="true">+</span>
        {isShort ? null : ` ${label}`}
      </button>
      <input
        ref={input}
        type="file"
        multiple
        hidden
        aria-label={label}
        onChange={({ currentTarget }) => {
          onFiles([...(currentTarget.files ?? [])]);
          // The same file may be chosen again.
          currentTarget.value = '';
        }}
      />
    </>
  );
}
