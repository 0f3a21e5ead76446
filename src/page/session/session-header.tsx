/** Name and state of a session, and what a person can do with all of it. */
import { useRef } from 'preact/hooks';
import type { SessionReport } from '../../client.ts';
import { complete, continueSession, exportSession, fork, interrupt, remove, suspend } from '../api/api.ts';
import { goTo, LIST_ADDRESS, sessionAddress } from '../state/place.ts';
import { useAction } from '../state/use-action.ts';
import { isClosed } from '../state/use-session.ts';
import { Chip, Problem } from '../text/states.tsx';
import { Visible } from '../text/visible.tsx';
import { activityOf, SESSION_TONES, type Tone } from '../text/words.ts';

const AT_REST: readonly (string | null)[] = ['idle', 'init', null];

export interface SessionHeaderProps {
  readonly report: SessionReport;
  readonly mayWrite: boolean;
  readonly showsDetails: boolean;
  readonly onDetails: () => void;
  readonly onChanged: () => void;
}

export function SessionHeader({ report, mayWrite, showsDetails, onDetails, onChanged }: SessionHeaderProps) {
  const { id, name, status, phase } = report;
  const { run, isRunning, error } = useAction(onChanged);
  const isWaiting = report.pendingApprovals.length > 0;
  const isBusy = status === 'active' && !AT_REST.includes(phase) && !isWaiting;
  const tone: Tone = status !== 'active' ? SESSION_TONES[status] : isWaiting ? 'asking' : isBusy ? 'busy' : 'done';
  return (
    <header class="session-header">
      <a class="back" href={LIST_ADDRESS} aria-label="All sessions">
        ‹
      </a>
      <div class="title">
        <h2>
          <Visible text={name === '' ? id : name} />
        </h2>
        <Chip tone={tone}>{activityOf(report)}</Chip>
      </div>
      <div class="actions">
        {mayWrite && isBusy ? (
          <button disabled={isRunning} onClick={() => run(() => interrupt(id))}>
            Interrupt
          </button>
        ) : null}
        {mayWrite && status === 'active' ? (
          <button disabled={isRunning} onClick={() => run(() => suspend(id))}>
            Suspend
          </button>
        ) : null}
        {mayWrite && status === 'suspended' ? (
          <button class="primary" disabled={isRunning} onClick={() => run(() => continueSession(id))}>
            Continue
          </button>
        ) : null}
        {mayWrite ? <MoreActions report={report} run={run} /> : null}
        <button class="details-toggle" aria-pressed={showsDetails} onClick={onDetails}>
          Details
        </button>
      </div>
      <Problem error={error} />
    </header>
  );
}

interface MoreActionsProps {
  readonly report: SessionReport;
  readonly run: (work: () => Promise<unknown>) => void;
}

function MoreActions({ report, run }: MoreActionsProps) {
  const { id, name } = report;
  const menu = useRef<HTMLDetailsElement>(null);
  const act = (work: () => Promise<unknown>): void => {
    if (menu.current) menu.current.open = false;
    run(work);
  };
  const forkNow = async (): Promise<void> => goTo(sessionAddress((await fork(id)).id));
  const completeNow = async (): Promise<void> => {
    if (window.confirm(`Complete “${name}”? It can still be read and forked, but takes no more messages.`))
      await complete(id);
  };
  const removeNow = async (): Promise<void> => {
    if (!window.confirm(`Delete “${name}” with its history, archive and files? Nobody can undo that.`)) return;
    await remove(id);
    goTo(LIST_ADDRESS);
  };
  return (
    <details
      class="menu"
      ref={menu}
      onKeyDown={(event) => {
        if (event.key === 'Escape') event.currentTarget.open = false;
      }}
    >
      <summary>More</summary>
      <div>
        <button onClick={() => act(forkNow)}>Fork</button>
        <button onClick={() => act(() => download(id))}>Export</button>
        {isClosed(report) ? null : <button onClick={() => act(completeNow)}>Complete</button>}
        <button class="danger" onClick={() => act(removeNow)}>
          Delete
        </button>
      </div>
    </details>
  );
}

async function download(id: string): Promise<void> {
  const text = JSON.stringify(await exportSession(id), undefined, 2);
  const address = URL.createObjectURL(new Blob([text], { type: 'application/json' }));
  const link = document.createElement('a');
  link.href = address;
  link.download = `${id}.json`;
  link.click();
  URL.revokeObjectURL(address);
}
