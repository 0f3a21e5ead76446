/** The files in the workspace of a session. */
import { useState } from 'preact/hooks';
import type { SessionFile, SessionReport } from '../../client.ts';
import { deleteFile, fileAddress, listFiles } from '../api/api.ts';
import { useAction } from '../state/use-action.ts';
import { usePolled } from '../state/use-polled.ts';
import { Empty, Loading, Problem } from '../text/states.tsx';
import { Visible } from '../text/visible.tsx';
import { count, localTime, relativeTime, size } from '../text/words.ts';
import { ChooseFiles } from './attached-files.tsx';
import { useDrop } from './incoming-files.ts';
import { uploadFile } from './use-attachments.ts';

const EVERY_MS = 15_000;
/** A session's code can write thousands. */
const SHOWN = 100;

interface FilesPanelProps {
  readonly report: SessionReport;
  readonly mayWrite: boolean;
}

export function FilesPanel({ report, mayWrite }: FilesPanelProps) {
  const { id, turns, phase, step } = report;
  const { value, error, refresh } = usePolled(
    (signal) => listFiles(id, signal),
    `${id} ${turns} ${phase} ${step}`,
    EVERY_MS,
  );
  const { run, isRunning, error: problem } = useAction(refresh);
  const [shown, setShown] = useState(SHOWN);
  const upload = (files: Iterable<File>): void =>
    run(async () => {
      for (const file of files) await uploadFile(id, file, new AbortController().signal);
    });
  const drop = useDrop(mayWrite ? upload : undefined);
  const remove = (path: string): void => {
    if (window.confirm(`Delete the file “${path}”?`)) run(() => deleteFile(id, path));
  };
  const files = value?.toSorted((one, other) => other.changedAt.localeCompare(one.changedAt));
  return (
    <div class={drop.isOver ? 'files-panel dropping' : 'files-panel'} {...drop.handlers}>
      <div class="panel-head">
        <h3>{files === undefined ? 'Files' : count(files.length, 'file')}</h3>
        {mayWrite ? <ChooseFiles label={isRunning ? 'Sending…' : 'Add files'} onFiles={upload} /> : null}
      </div>
      <Problem error={error ?? problem} />
      {files === undefined && error === undefined ? <Loading rows={3} /> : null}
      {files?.length === 0 ? <Empty title="No files yet" /> : null}
      <ul>
        {files?.slice(0, shown).map((file) => (
          <FileItem key={file.path} sessionId={id} file={file} onDelete={mayWrite ? remove : undefined} />
        ))}
      </ul>
      {files !== undefined && files.length > shown ? (
        <button onClick={() => setShown(files.length)}>Show {count(files.length - shown, 'older file')}</button>
      ) : null}
    </div>
  );
}

interface FileItemProps {
  readonly sessionId: string;
  readonly file: SessionFile;
  readonly onDelete: ((path: string) => void) | undefined;
}

function FileItem({ sessionId, file: { path, bytes, changedAt }, onDelete }: FileItemProps) {
  return (
    <li>
      <a href={fileAddress(sessionId, path)} download="">
        <Visible text={path} />
      </a>
      <span class="hint">
        {size(bytes)}, <time title={localTime(changedAt)}>{relativeTime(changedAt)}</time>
      </span>
      {onDelete ? (
        <button class="plain" aria-label={`Delete ${path}`} onClick={() => onDelete(path)}>
          Delete
        </button>
      ) : null}
    </li>
  );
}
