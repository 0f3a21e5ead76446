/** A value that is read again and again while somebody looks at the page. */
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import type { ApiError } from '../api/http.ts';
import { asApiError } from './use-session.ts';

export interface Polled<Value> {
  readonly value: Value | undefined;
  readonly error: ApiError | undefined;
  readonly refresh: () => void;
}

/** @param key reads anew, at once, when it changes */
export function usePolled<Value>(
  read: (signal: AbortSignal) => Promise<Value>,
  key: string,
  everyMs: number,
): Polled<Value> {
  const [value, setValue] = useState<Value>();
  const [error, setError] = useState<ApiError>();
  const reader = useRef(read);
  reader.current = read;
  const now = useRef<() => void>(() => undefined);

  useEffect(() => {
    const ended = new AbortController();
    let timer: number | undefined;
    const next = async (): Promise<void> => {
      window.clearTimeout(timer);
      if (!document.hidden) {
        try {
          const read = await reader.current(ended.signal);
          if (ended.signal.aborted) return;
          setValue(read);
          setError(undefined);
        } catch (problem) {
          if (ended.signal.aborted) return;
          setError(asApiError(problem));
        }
      }
      window.clearTimeout(timer);
      timer = window.setTimeout(() => void next(), everyMs);
    };
    now.current = () => void next();
    const onVisibility = (): void => {
      if (!document.hidden) void next();
    };
    document.addEventListener('visibilitychange', onVisibility);
    void next();
    return () => {
      ended.abort();
      window.clearTimeout(timer);
      document.removeEventListener('visibilitychange', onVisibility);
    };
  }, [key, everyMs]);

  const refresh = useCallback(() => now.current(), []);
  return { value, error, refresh };
}
