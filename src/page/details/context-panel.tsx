/** The durable context: its values, its snapshots, and what has changed since one of them. */
import { useCallback, useEffect, useState } from 'preact/hooks';
import type { ContextView, SessionReport, SnapshotInfo } from '../../client.ts';
import { readContext, readSnapshots, restoreSnapshot, takeSnapshot } from '../api/api.ts';
import type { ApiError } from '../api/http.ts';
import { useAction } from '../state/use-action.ts';
import { asApiError, isClosed } from '../state/use-session.ts';
import { Loading, Problem } from '../text/states.tsx';
import { Code, Visible } from '../text/visible.tsx';
import { relativeTime } from '../text/words.ts';
import { Diff } from './diff.tsx';

interface ContextPanelProps {
  readonly report: SessionReport;
  readonly mayWrite: boolean;
}

export function ContextPanel({ report, mayWrite }: ContextPanelProps) {
  const { id, contextVersion } = report;
  const { context, snapshots, error, refresh } = useContextOf(id, contextVersion);
  const { run, isRunning, error: problem } = useAction(refresh);
  const mayChange = mayWrite && !isClosed(report);
  if (context === undefined) return error ? <Problem error={error} /> : <Loading rows={4} />;
  return (
    <>
      <div class="panel-head">
        <h3>Version {context.version}</h3>
        {mayChange ? (
          <button disabled={isRunning} onClick={() => run(() => takeSnapshot(id, 'taken on the page'))}>
            Take a snapshot
          </button>
        ) : null}
      </div>
      <Problem error={error ?? problem} />
      {Object.entries(context.values).map(([key, value]) => (
        <details key={key} class="value">
          <summary>
            <Visible text={key} />
            {context.protectedKeys.includes(key) ? <span class="hint"> protected</span> : null}
            {context.ephemeralKeys.includes(key) ? <span class="hint"> ephemeral</span> : null}
          </summary>
          <Code text={typeof value === 'string' ? value : JSON.stringify(value, undefined, 2)} label={key} />
        </details>
      ))}
      <h3>Snapshots</h3>
      {snapshots.length === 0 ? <p class="hint">None yet.</p> : null}
      <ul class="snapshots">
        {snapshots.toReversed().map((snapshot) => (
          <SnapshotItem
            key={snapshot.id}
            snapshot={snapshot}
            report={report}
            onRestore={mayChange && !isRunning ? () => run(() => restoreSnapshot(id, snapshot.id)) : undefined}
          />
        ))}
      </ul>
    </>
  );
}

interface SnapshotItemProps {
  readonly snapshot: SnapshotInfo;
  readonly report: SessionReport;
  readonly onRestore: (() => void) | undefined;
}

function SnapshotItem({ snapshot: { id, reason, version, timestamp }, report, onRestore }: SnapshotItemProps) {
  const [isCompared, setCompared] = useState(false);
  return (
    <li>
      <span>
        <Visible text={reason} />
        <span class="hint">
          {' '}
          version {version}, {relativeTime(timestamp)}
        </span>
      </span>
      <span class="buttons">
        <button
          aria-pressed={isCompared}
          aria-label={`Compare ${reason} with now`}
          onClick={() => setCompared(!isCompared)}
        >
          Compare
        </button>
        {onRestore ? (
          <button aria-label={`Restore ${reason}`} onClick={onRestore}>
            Restore
          </button>
        ) : null}
      </span>
      {isCompared ? <Diff sessionId={report.id} from={id} version={report.contextVersion} /> : null}
    </li>
  );
}

interface ContextOf {
  readonly context: ContextView | undefined;
  readonly snapshots: readonly SnapshotInfo[];
  readonly error: ApiError | undefined;
  readonly refresh: () => void;
}

/** @param version reads anew when it changes */
function useContextOf(id: string, version: number): ContextOf {
  const [state, setState] = useState<Pick<ContextOf, 'context' | 'snapshots'>>({ context: undefined, snapshots: [] });
  const [error, setError] = useState<ApiError>();
  const [attempt, setAttempt] = useState(0);
  useEffect(() => {
    let isGone = false;
    Promise.all([readContext(id), readSnapshots(id)]).then(
      ([context, snapshots]) => {
        if (isGone) return;
        setState({ context, snapshots });
        setError(undefined);
      },
      (problem: unknown) => isGone || setError(asApiError(problem)),
    );
    return () => void (isGone = true);
  }, [id, version, attempt]);
  return { ...state, error, refresh: useCallback(() => setAttempt((number) => number + 1), []) };
}
