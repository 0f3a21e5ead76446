/** Small pieces that say how something is: chips, banners, empty places. */
import type { ComponentChildren } from 'preact';
import type { ApiError } from '../api/http.ts';
import type { Tone } from './words.ts';

export function Chip({ tone, children }: { readonly tone: Tone; readonly children: ComponentChildren }) {
  return <span class={`chip ${tone}`}>{children}</span>;
}

interface BannerProps {
  readonly tone: 'asking' | 'bad' | 'quiet';
  readonly children: ComponentChildren;
}

export function Banner({ tone, children }: BannerProps) {
  return (
    <div class={`banner ${tone}`} role={tone === 'bad' ? 'alert' : 'status'}>
      {children}
    </div>
  );
}

export function Empty({ title, children }: { readonly title: string; readonly children?: ComponentChildren }) {
  return (
    <div class="empty">
      <p class="empty-title">{title}</p>
      {children}
    </div>
  );
}

const TITLES: ReadonlyMap<string, string> = new Map([
  ['Unreachable', 'Offline.'],
  ['NoAnswer', 'No answer.'],
]);

export function Problem({ error }: { readonly error: ApiError | undefined }) {
  if (error === undefined) return null;
  const isPassing = error.status === 0 || error.status >= 500;
  return (
    <Banner tone={isPassing ? 'asking' : 'bad'}>
      <strong>{TITLES.get(error.type) ?? `${error.type}.`}</strong> {error.message}
      {error.type === 'NoWorker' ? ' Nothing is lost: the session goes on when a worker runs.' : null}
    </Banner>
  );
}

/** Grey bars in the place of what is being loaded. */
export function Loading({ rows }: { readonly rows: number }) {
  return (
    <div class="loading" role="status" aria-label="Loading">
      {Array.from({ length: rows }, (_, index) => (
        <div key={index} class="bar" />
      ))}
    </div>
  );
}
