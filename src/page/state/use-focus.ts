/** The focus for what has just come: `autofocus` works once a page only. */
import { useEffect, useRef } from 'preact/hooks';

export function useFocus<Focusable extends HTMLElement>() {
  const element = useRef<Focusable>(null);
  useEffect(() => element.current?.focus(), []);
  return element;
}
