/** Something that a person asks for: it runs once at a time, and says why it failed. */
import { useCallback, useState } from 'preact/hooks';
import { ApiError } from '../api/http.ts';
import { asApiError } from './use-session.ts';

export interface Action {
  readonly run: (work: () => Promise<unknown>) => void;
  readonly isRunning: boolean;
  readonly error: ApiError | undefined;
}

const PERHAPS_DONE = 'Perhaps this was done. Look how things stand, and do it again if they have not changed.';

/** @param unanswered what to do if the gateway gave no answer: it has not said whether it did this */
export function useAction(onDone: () => void = () => undefined, unanswered = PERHAPS_DONE): Action {
  const [isRunning, setRunning] = useState(false);
  const [error, setError] = useState<ApiError>();
  const run = useCallback(
    (work: () => Promise<unknown>): void => {
      setRunning(true);
      setError(undefined);
      work()
        .then(onDone, (problem: unknown) => setError(settled(asApiError(problem), unanswered)))
        .finally(() => setRunning(false));
    },
    [onDone, unanswered],
  );
  return { run, isRunning, error };
}

/** The error in words that stay true when the gateway answers again: nothing repeats what a person asked for. */
function settled(error: ApiError, unanswered: string): ApiError {
  if (error.type !== 'Unreachable') return error;
  return new ApiError({ type: 'NoAnswer', status: 0, detail: `The gateway did not answer. ${unanswered}` });
}
