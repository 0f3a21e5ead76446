/** One session: its conversation, what it asks of people, and what can be done with it. */
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { SessionReport, TurnView } from '../../client.ts';
import { visible } from '../../contracts/visible-text.ts';
import type { Principal } from '../../gateway/principals/principal.ts';
import { Details } from '../details/details.tsx';
import { useDrop } from '../files/incoming-files.ts';
import { useAttachments } from '../files/use-attachments.ts';
import { RequestCard } from '../requests/request-card.tsx';
import { LIST_ADDRESS } from '../state/place.ts';
import { isClosed, type SessionShown, useSession } from '../state/use-session.ts';
import { Banner, Empty, Loading, Problem } from '../text/states.tsx';
import { Visible } from '../text/visible.tsx';
import { activityOf, count } from '../text/words.ts';
import { Composer } from './composer.tsx';
import { Earlier } from './earlier.tsx';
import { SessionHeader } from './session-header.tsx';
import { Turn } from './turn.tsx';

/** With fewer turns on the screen, those before them are shown as well. */
const FEW_TURNS = 3;
/** How long a request waits for the conversation that it belongs to. */
const REQUEST_PATIENCE_MS = 3_000;
/** Whoever reads the end of the conversation goes on reading it while it grows. */
const NEAR_END_PX = 80;
const REQUEST_MARGIN_PX = 10;

export interface SessionViewProps {
  readonly id: string;
  readonly principal: Principal;
  /** Told how the session is, as often as that changes. */
  readonly onRead: (report: SessionReport) => void;
  /** Told when the caller has to sign in again. */
  readonly onStranger: () => void;
}

export function SessionView({ id, principal, onRead, onStranger }: SessionViewProps) {
  const shown = useSession(id);
  const { report, turns, error, refresh } = shown;
  const { sent, remember } = useSent();
  const [showsDetails, setShowsDetails] = useState(false);
  const isRead = report !== undefined;
  const scroller = useFollowedEnd(isRead);
  useKeptFocus(scroller, isRead);
  useEffect(() => {
    if (error?.status === 401) onStranger();
  }, [error, onStranger]);
  useTitle(report);
  useEffect(() => {
    if (report) onRead(report);
  }, [report, onRead]);
  const mayWrite = report !== undefined && (principal.role === 'operator' || report.user === principal.name);
  const attachments = useAttachments(id);
  const drop = useDrop(mayWrite && !isClosed(report) ? attachments.add : undefined);
  if (report === undefined) return <Unread error={error} />;
  return (
    <div class={showsDetails ? 'session with-details' : 'session'}>
      <section
        class={drop.isOver ? 'conversation dropping' : 'conversation'}
        aria-label="Conversation"
        {...drop.handlers}
      >
        <SessionHeader
          report={report}
          mayWrite={mayWrite}
          showsDetails={showsDetails}
          onDetails={() => setShowsDetails(!showsDetails)}
          onChanged={refresh}
        />
        <div class="scroller" ref={scroller} tabIndex={0} role="log" aria-label="Messages" aria-live="off">
          <div class="column">
            <Messages shown={{ ...shown, report }} sent={sent} mayWrite={mayWrite} />
          </div>
        </div>
        <Notices shown={shown} />
        {mayWrite ? (
          <Composer
            report={report}
            turn={lastOf(turns)}
            attachments={attachments}
            onSent={remember}
            onChanged={refresh}
          />
        ) : null}
      </section>
      <Details
        report={report}
        isOpen={showsDetails}
        mayWrite={mayWrite}
        onClose={() => setShowsDetails(false)}
        onChanged={refresh}
      />
      <Spoken report={report} />
    </div>
  );
}

/** What the person used last may be gone, such as the form of a new session, and the keyboard would be nowhere. */
function useKeptFocus(element: { readonly current: HTMLElement | null }, isThere: boolean): void {
  useEffect(() => {
    const isNowhere = document.activeElement === document.body && navigator.userActivation.hasBeenActive;
    if (isThere && isNowhere) element.current?.focus({ preventScroll: true });
  }, [element, isThere]);
}

/** What was sent from here: a message that waits has no text in the session's events. */
function useSent() {
  const [sent, setSent] = useState<Readonly<Record<string, string>>>({});
  const remember = useCallback(
    (messageId: string, text: string) => setSent((before) => ({ ...before, [messageId]: text })),
    [],
  );
  return { sent, remember };
}

/** For people who hear the page. */
function Spoken({ report }: { readonly report: SessionReport }) {
  const { length } = report.pendingApprovals;
  return (
    <p class="unseen" role="status">
      {activityOf(report)}. {length > 0 ? `${count(length, 'decision')} to take.` : null}
    </p>
  );
}

interface MessagesProps {
  readonly shown: SessionShown & { readonly report: SessionReport };
  /** Messages of this page that wait, by their ids. */
  readonly sent: Readonly<Record<string, string>>;
  readonly mayWrite: boolean;
}

function Messages({ shown: { report, turns, fold, stream, refresh }, sent, mayWrite }: MessagesProps) {
  const views = new Map(turns.map((turn) => [turn.id, turn]));
  const begun = fold.turns.filter(({ number }) => number > 0);
  const first = begun[0]?.number;
  const isLate = usePassed(REQUEST_PATIENCE_MS);
  const isTold = report.pendingApprovals.every(({ id }) => knowsRequest(fold, id));
  const isReading = stream === 'connecting' || (stream === 'live' && !isLate);
  // The card goes away, and the keyboard would be nowhere.
  const decided = (): void => {
    document.querySelector<HTMLElement>('[role="log"]')?.focus({ preventScroll: true });
    refresh();
  };
  return (
    <>
      <Earlier id={report.id} before={first ?? report.turns + 1} isWanted={begun.length < FEW_TURNS} />
      {fold.turns.length === 0 && report.turns === 0 && stream !== 'connecting' ? (
        <Empty title="Nothing has been said yet" />
      ) : null}
      {fold.turns.map((turn) => (
        <Turn
          key={turn.id}
          turn={turn}
          view={views.get(turn.id)}
          text={turn.text || (sent[turn.messageId] ?? '')}
          isAsked={report.pendingApprovals.some(({ kind, turnId }) => kind === 'plan' && turnId === turn.id)}
          sessionId={report.id}
          mayWrite={mayWrite && !isClosed(report)}
          onChanged={refresh}
        />
      ))}
      {isReading && (!isTold || (fold.turns.length === 0 && report.turns > 0)) ? <Loading rows={3} /> : null}
      {isTold || !isReading
        ? report.pendingApprovals.map((request) => (
            <RequestCard
              key={request.id}
              sessionId={report.id}
              request={request}
              mayEdit={mayWrite}
              onDecided={decided}
            />
          ))
        : null}
    </>
  );
}

/** A request is shown below what led to it. */
const knowsRequest = ({ turns }: SessionShown['fold'], id: string): boolean =>
  turns.some(({ items }) => items.some((item) => item.type === 'request' && item.request.id === id));

function usePassed(afterMs: number): boolean {
  const [isPassed, setPassed] = useState(false);
  useEffect(() => {
    const timer = window.setTimeout(() => setPassed(true), afterMs);
    return () => window.clearTimeout(timer);
  }, [afterMs]);
  return isPassed;
}

function Unread({ error }: Pick<SessionShown, 'error'>) {
  if (error === undefined) return <Loading rows={5} />;
  if (error.status !== 404 && error.status !== 400) return <Problem error={error} />;
  return (
    <Empty title="There is no such session">
      <p>It may have been deleted, or it belongs to somebody else.</p>
      <a href={LIST_ADDRESS}>All sessions</a>
    </Empty>
  );
}

/** A dot in the title of the window says that somebody is waited for. */
function useTitle(report: SessionReport | undefined): void {
  const mark = report !== undefined && report.pendingApprovals.length > 0 ? '● ' : '';
  const title = report === undefined ? 'Copilot' : `${mark}${visible(report.name)}`;
  useEffect(() => {
    document.title = title;
    return () => void (document.title = 'Copilot');
  }, [title]);
}

/** What keeps the session from going on, above the composer. */
function Notices({ shown: { report, stream, error } }: { readonly shown: SessionShown }) {
  const stuck = report?.pendingCalls.filter(({ lastError }) => lastError !== null) ?? [];
  // Whichever of the page's requests fails first.
  // A stream ends with its session, which a browser takes for a break at first.
  const isOver = report !== undefined && isClosed(report);
  const isOffline = stream === 'broken' && !isOver && (error === undefined || error.type === 'Unreachable');
  return (
    <div class="notices">
      {isOffline ? (
        <Banner tone="asking">Connection lost. It is tried again, and nothing will be missing.</Banner>
      ) : (
        <Problem error={error} />
      )}
      {stuck.map(({ id, attempt, lastError }) => (
        <Banner key={id} tone="asking">
          Attempt {attempt - 1} of a call failed and is tried again: {lastError?.message}
        </Banner>
      ))}
      {report?.outsideActs.map(({ kind, by, reason, advice }, index) => (
        <Banner key={index} tone="bad">
          <Visible text={`${kind}${by === null ? '' : ` by ${by}`}: ${reason}. ${advice}`} />
        </Banner>
      ))}
    </div>
  );
}

function lastOf(turns: readonly TurnView[]): TurnView | undefined {
  return turns.filter(({ number }) => number > 0).at(-1);
}

function useFollowedEnd(isRead: boolean) {
  const scroller = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const element = scroller.current;
    const column = element?.firstElementChild;
    if (!element || !column) return undefined;
    let isAtEnd = true;
    const onScroll = (): void => {
      isAtEnd = element.scrollHeight - element.scrollTop - element.clientHeight < NEAR_END_PX;
    };
    const observer = new ResizeObserver(() => {
      if (isAtEnd) element.scrollTop = endOf(element);
    });
    observer.observe(column);
    observer.observe(element);
    element.addEventListener('scroll', onScroll, { passive: true });
    return () => {
      observer.disconnect();
      element.removeEventListener('scroll', onScroll);
    };
  }, [isRead]);
  return scroller;
}

/** Where the conversation ends for a reader: a request that is higher than the window is read from its top. */
function endOf(scroller: HTMLElement): number {
  const request = [...scroller.querySelectorAll<HTMLElement>('.request')].at(-1);
  if (request === undefined || request.offsetHeight < scroller.clientHeight) return scroller.scrollHeight;
  const top = request.getBoundingClientRect().top - scroller.getBoundingClientRect().top;
  return scroller.scrollTop + top - REQUEST_MARGIN_PX;
}
