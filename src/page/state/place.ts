/** Where the page is, in the fragment of its address: the browser's own back and reload work. */
import { useEffect, useState } from 'preact/hooks';

export interface Place {
  /** The open session. */
  readonly session: string | undefined;
  readonly isNew: boolean;
}

export const sessionAddress = (id: string): string => `#/sessions/${encodeURIComponent(id)}`;
export const NEW_ADDRESS = '#/new';
export const LIST_ADDRESS = '#/';

export function usePlace(): Place {
  const [hash, setHash] = useState(window.location.hash);
  useEffect(() => {
    const onChange = (): void => setHash(window.location.hash);
    window.addEventListener('hashchange', onChange);
    // It may have changed since the first drawing.
    onChange();
    return () => window.removeEventListener('hashchange', onChange);
  }, []);
  return parsePlace(hash);
}

export function goTo(address: string): void {
  window.location.hash = address;
}

function parsePlace(hash: string): Place {
  const [, id] = /^#\/sessions\/([^/]+)$/.exec(hash) ?? [];
  try {
    return { session: id === undefined ? undefined : decodeURIComponent(id), isNew: hash === NEW_ADDRESS };
  } catch {
    return { session: undefined, isNew: false };
  }
}
