/** The sessions, newest first, with what waits for a person on top. */
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { Inbox, ListedStatus, SessionPage, SessionRow } from '../../client.ts';
import type { Principal } from '../../gateway/principals/principal.ts';
import { listSessions, readInbox } from '../api/api.ts';
import { goTo, NEW_ADDRESS, sessionAddress } from '../state/place.ts';
import { usePolled } from '../state/use-polled.ts';
import { Chip, Empty, Loading, Problem } from '../text/states.tsx';
import { Visible } from '../text/visible.tsx';
import { activityOf, relativeTime, SESSION_TONES, type Tone } from '../text/words.ts';

const PAGE_SIZE = 50;
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

interface Listed {
  readonly page: SessionPage;
  readonly inbox: Inbox;
}

export interface SessionListProps {
  readonly principal: Principal;
  readonly open: string | undefined;
  readonly onSignOut: () => void;
}

export function SessionList({ principal, open, onSignOut }: SessionListProps) {
  const [filter, setFilter] = useState<Filter>('all');
  const [search, setSearch] = useState('');
  const [size, setSize] = useState(PAGE_SIZE);
  const prefix = useSettled(search.trim());
  const status = filter === 'all' || filter === 'waiting' ? undefined : (filter satisfies ListedStatus);
  const { value, error } = usePolled<Listed>(
    async (signal) => {
      const query = { limit: size, ...(prefix === '' ? {} : { namePrefix: prefix }), ...(status ? { status } : {}) };
      const [page, inbox] = await Promise.all([listSessions(query, signal), readInbox(signal)]);
      return { page, inbox };
    },
    `${filter} ${prefix} ${size} ${open ?? ''}`,
    EVERY_MS,
  );
  const waiting = useMemo(() => new Set(value?.inbox.requests.map(({ sessionId }) => sessionId)), [value]);
  const rows = value?.page.sessions.filter(({ id }) => filter !== 'waiting' || waiting.has(id));
  return (
    <nav class="list" aria-label="Sessions">
      <header>
        <h1>Sessions</h1>
        <a class="button primary" href={NEW_ADDRESS}>
          New
        </a>
      </header>
      <Filters {...{ search, filter }} waiting={waiting.size} onSearch={setSearch} onFilter={setFilter} />
      <Problem error={error} />
      {rows === undefined && error === undefined ? <Loading rows={6} /> : null}
      {rows?.length === 0 ? <NoSessions isFiltered={filter !== 'all' || prefix !== ''} /> : null}
      <ul>
        {rows?.map((row) => (
          <Row
            key={row.id}
            row={row}
            isOpen={row.id === open}
            isWaiting={waiting.has(row.id)}
            showsUser={principal.role !== 'user'}
          />
        ))}
      </ul>
      {value?.page.next ? (
        <button class="more" onClick={() => setSize(size + PAGE_SIZE)}>
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
  readonly waiting: number;
  readonly onSearch: (search: string) => void;
  readonly onFilter: (filter: Filter) => void;
}

function Filters({ search, filter, waiting, onSearch, onFilter }: FiltersProps) {
  const box = useRef<HTMLInputElement>(null);
  useShortcuts(box);
  return (
    <div class="filters">
      <input
        ref={box}
        type="search"
        placeholder="Search by beginning of name  /"
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
            {value === 'waiting' ? `${words} (${waiting})` : words}
          </option>
        ))}
      </select>
    </div>
  );
}

interface RowProps {
  readonly row: SessionRow;
  readonly isOpen: boolean;
  readonly isWaiting: boolean;
  readonly showsUser: boolean;
}

function Row({ row, isOpen, isWaiting, showsUser }: RowProps) {
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
