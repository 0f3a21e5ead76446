/** What differs between a snapshot and the present context. */
import { useEffect, useState } from 'preact/hooks';
import type { ContextDiff } from '../../client.ts';
import { readDiff } from '../api/api.ts';
import type { ApiError } from '../api/http.ts';
import { asApiError } from '../state/use-session.ts';
import { Loading, Problem } from '../text/states.tsx';
import { Visible } from '../text/visible.tsx';
import { count } from '../text/words.ts';

interface DiffProps {
  readonly sessionId: string;
  readonly from: string;
  /** Reads anew when it changes. */
  readonly version: number;
}

export function Diff({ sessionId, from, version }: DiffProps) {
  const [diff, setDiff] = useState<ContextDiff>();
  const [error, setError] = useState<ApiError>();
  useEffect(() => {
    let isGone = false;
    readDiff(sessionId, from).then(
      (read) => isGone || setDiff(read),
      (problem: unknown) => isGone || setError(asApiError(problem)),
    );
    return () => void (isGone = true);
  }, [sessionId, from, version]);
  if (diff === undefined) return error ? <Problem error={error} /> : <Loading rows={2} />;
  const { added, removed, changed, more } = diff;
  if (added.length + removed.length + changed.length === 0) return <p class="hint">Nothing has changed since.</p>;
  return (
    <div class="diff" role="group" aria-label="Changes since the snapshot">
      {added.map(({ path, new: after }) => (
        <Change key={path} path={path} after={after.json} />
      ))}
      {changed.map(({ path, old, new: after }) => (
        <Change key={path} path={path} before={old.json} after={after.json} />
      ))}
      {removed.map(({ path, old }) => (
        <Change key={path} path={path} before={old.json} />
      ))}
      {more > 0 ? <p class="hint">{count(more, 'further path')}</p> : null}
    </div>
  );
}

interface ChangeProps {
  readonly path: string;
  readonly before?: string;
  readonly after?: string;
}

function Change({ path, before, after }: ChangeProps) {
  return (
    <div class="change">
      <code>
        <Visible text={path} />
      </code>
      {before === undefined ? null : (
        <del>
          <Visible text={before} />
        </del>
      )}
      {after === undefined ? null : (
        <ins>
          <Visible text={after} />
        </ins>
      )}
    </div>
  );
}
