/** Something that a person asks for: it runs once at a time, and says why it failed. */
import { useCallback, useState } from 'preact/hooks';
import type { ApiError } from '../api/http.ts';
import { asApiError } from './use-session.ts';

export interface Action {
  readonly run: (work: () => Promise<unknown>) => void;
  readonly isRunning: boolean;
  readonly error: ApiError | undefined;
}

export function useAction(onDone: () => void = () => undefined): Action {
  const [isRunning, setRunning] = useState(false);
  const [error, setError] = useState<ApiError>();
  const run = useCallback(
    (work: () => Promise<unknown>): void => {
      setRunning(true);
      setError(undefined);
      work()
        .then(onDone, (problem: unknown) => setError(asApiError(problem)))
        .finally(() => setRunning(false));
    },
    [onDone],
  );
  return { run, isRunning, error };
}
