/** The sessions, newest first, with what waits for a person on top. */
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Inbox, SessionReport, SessionRow } from '../../client.ts';
import type { Principal } from '../../gateway/principals/principal.ts';
import { listSessions, readInbox } from '../api/api.ts';
import { goTo, NEW_ADDRESS, sessionAddress } from '../state/place.ts';
import { usePolled } from '../state/use-polled.ts';
import { Chip, Empty, Loading, Problem } from '../text/states.tsx';
import { Visible } from '../text/visible.tsx';
import { activityOf, relativeTime, SESSION_TONES, type Tone } from '../text/words.ts';

const PAGE_SIZE = 50;
/** The most that the gateway lists at once. */
const MAX_SIZE = 1_000;
const EVERY_MS = 4_000;
const SEARCH_PAUSE_MS = 250;
const FILTERS = {
  all: 'All sessions',
  waiting: 'Waiting for people',
  active: 'Active',
  suspended: 'Suspended',
  completed: 'Completed',
  expired: 'Expired',
  terminated: 'Terminated',
  failed: 'Failed',
} as const;
type Filter = keyof typeof FILTERS;

/** What the list shows of a session. */
type Shown = Pick<SessionRow, 'id' | 'name' | 'user' | 'status' | 'phase' | 'step' | 'updatedAt'>;

interface Listed {
  readonly rows: readonly Shown[];
  readonly hasMore: boolean;
}

async function readList(filter: Filter, prefix: string, limit: number, signal: AbortSignal): Promise<Listed> {
  if (filter === 'waiting') return { rows: waitingRows(await readInbox(signal), prefix), hasMore: false };
  const status = filter === 'all' ? undefined : filter;
  const query = { limit, ...(prefix === '' ? {} : { namePrefix: prefix }), ...(status ? { status } : {}) };
  const { sessions, next } = await listSessions(query, signal);
  return { rows: sessions, hasMore: next !== null && limit < MAX_SIZE };
}

/** The sessions of requests, those first that wait longest. */
function waitingRows({ requests }: Inbox, prefix: string): readonly Shown[] {
  const rows = new Map<string, Shown>();
  for (const { sessionId: id, sessionName: name, user, createdAt: updatedAt } of requests) {
    const isWanted = name.toLowerCase().startsWith(prefix.toLowerCase());
    const row = { id, name, user, status: 'active', phase: 'awaiting-approval', step: null, updatedAt } as const;
    if (isWanted && !rows.has(id)) rows.set(id, row);
  }
  return [...rows.values()];
}

const isAwaiting = ({ status, phase }: Shown): boolean => status === 'active' && phase.startsWith('awaiting-');

const asNow = (row: Shown, { name, status, phase, step }: SessionReport): Shown => ({
  ...row,
  name,
  status,
  phase: phase ?? row.phase,
  step: typeof step === 'number' ? step : null,
});

export interface SessionListProps {
  readonly principal: Principal;
  readonly open: string | undefined;
  /** The open session as it is now: the list is some seconds behind. */
  readonly live: SessionReport | undefined;
  readonly onSignOut: () => void;
}

export function SessionList({ principal, open, live, onSignOut }: SessionListProps) {
  const [filter, setFilter] = useState<Filter>('all');
  const [search, setSearch] = useState('');
  const [size, setSize] = useState(PAGE_SIZE);
  const prefix = useSettled(search.trim());
  const { value, error } = usePolled<Listed>(
    (signal) => readList(filter, prefix, size, signal),
    `${filter} ${prefix} ${size} ${open ?? ''}`,
    EVERY_MS,
  );
  const rows = value?.rows;
  return (
    <nav class="list" aria-label="Sessions">
      <header>
        <h1>Sessions</h1>
        <a class="button primary" href={NEW_ADDRESS}>
          New
        </a>
      </header>
      <Filters {...{ search, filter }} onSearch={setSearch} onFilter={setFilter} />
      <Problem error={error} />
      {rows === undefined && error === undefined ? <Loading rows={6} /> : null}
      {rows?.length === 0 ? <NoSessions isFiltered={filter !== 'all' || prefix !== ''} /> : null}
      <ul>
        {rows?.map((row) => (
          <Row
            key={row.id}
            row={row.id === live?.id ? asNow(row, live) : row}
            isOpen={row.id === open}
            showsUser={principal.role !== 'user'}
          />
        ))}
      </ul>
      {value?.hasMore ? (
        <button class="more" onClick={() => setSize(Math.min(MAX_SIZE, size * 2))}>
          Show older sessions
        </button>
      ) : null}
      <footer>
        <span>
          <Visible text={principal.name} /> · {principal.role}
        </span>
        <button class="plain" onClick={onSignOut}>
          Sign out
        </button>
      </footer>
    </nav>
  );
}

interface FiltersProps {
  readonly search: string;
  readonly filter: Filter;
  readonly onSearch: (search: string) => void;
  readonly onFilter: (filter: Filter) => void;
}

function Filters({ search, filter, onSearch, onFilter }: FiltersProps) {
  const box = useRef<HTMLInputElement>(null);
  useShortcuts(box);
  return (
    <div class="filters">
      <input
        ref={box}
        type="search"
        placeholder="Beginning of a name  /"
        aria-label="Search sessions by the beginning of their name"
        value={search}
        onInput={(event) => onSearch(event.currentTarget.value)}
      />
      <select
        aria-label="Which sessions"
        value={filter}
        onChange={(event) => onFilter(event.currentTarget.value as Filter)} // one of the options
      >
        {Object.entries(FILTERS).map(([value, words]) => (
          <option key={value} value={value}>
            {words}
          </option>
        ))}
      </select>
    </div>
  );
}

interface RowProps {
  readonly row: Shown;
  readonly isOpen: boolean;
  readonly showsUser: boolean;
}

function Row({ row, isOpen, showsUser }: RowProps) {
  const isWaiting = isAwaiting(row);
  const { id, name, status, user, updatedAt } = row;
  const isIdle = status === 'active' && ['idle', 'init'].includes(row.phase);
  const tone: Tone = isWaiting ? 'asking' : status !== 'active' ? SESSION_TONES[status] : isIdle ? 'quiet' : 'busy';
  return (
    <li>
      <a href={sessionAddress(id)} aria-current={isOpen ? 'page' : undefined}>
        <span class="row-name">
          <Visible text={name === '' ? id : name} />
        </span>
        <span class="row-facts">
          <Chip tone={tone}>{isWaiting ? 'Waits for you' : activityOf(row)}</Chip>
          <time dateTime={updatedAt}>{relativeTime(updatedAt)}</time>
          {showsUser && user !== null ? (
            <span class="row-user">
              <Visible text={user} />
            </span>
          ) : null}
        </span>
      </a>
    </li>
  );
}

function NoSessions({ isFiltered }: { readonly isFiltered: boolean }) {
  if (isFiltered) return <Empty title="No session matches" />;
  return (
    <Empty title="No sessions yet">
      <a class="button primary" href={NEW_ADDRESS}>
        Begin the first one
      </a>
    </Empty>
  );
}

/** What was typed, once typing pauses. */
function useSettled(text: string): string {
  const [settled, setSettled] = useState(text);
  useEffect(() => {
    const timer = window.setTimeout(() => setSettled(text), SEARCH_PAUSE_MS);
    return () => window.clearTimeout(timer);
  }, [text]);
  return settled;
}

/** `/` searches, `n` begins a session, unless somebody is typing. */
function useShortcuts(box: { readonly current: HTMLInputElement | null }): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      const isTyping = event.target instanceof Element && event.target.closest('input, textarea, select') !== null;
      if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === '/') {
        event.preventDefault();
        box.current?.focus();
      } else if (event.key === 'n') goTo(NEW_ADDRESS);
    };
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  }, [box]);
}
